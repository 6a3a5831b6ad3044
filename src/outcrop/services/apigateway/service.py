"""API Gateway: the wiring. HTTP APIs (v2) for now; REST APIs (v1) will stand beside them."""

from __future__ import annotations

from outcrop.services.apigateway.http_apis.apis import HttpApis, Tags
from outcrop.services.apigateway.http_apis.authorization import Authorization
from outcrop.services.apigateway.http_apis.authorizers import Authorizers
from outcrop.services.apigateway.http_apis.deployments import Deployer, Deployments
from outcrop.services.apigateway.http_apis.errors import HttpApiHooks
from outcrop.services.apigateway.http_apis.functions import Functions
from outcrop.services.apigateway.http_apis.integrations import Integrations
from outcrop.services.apigateway.http_apis.live import LiveApis
from outcrop.services.apigateway.http_apis.reporting import Reporting
from outcrop.services.apigateway.http_apis.routes import Routes
from outcrop.services.apigateway.http_apis.serving import HttpApiServer
from outcrop.services.apigateway.http_apis.stages import Stages
from outcrop.services.apigateway.http_apis.store import ApiStore
from outcrop.services.apigateway.http_apis.web import WebServers
from outcrop.services.apigateway.surface import HttpApiSurface
from outcrop.services.contract import Deps, Service


def services(deps: Deps) -> tuple[Service, ...]:
    strict = deps.settings.strict
    store = ApiStore(deps.database("apigateway"))
    live = LiveApis(store)
    deployer = Deployer(store, live)
    functions, web, reporting = Functions(deps), WebServers(), Reporting(deps)
    authorization = Authorization(functions)
    server = HttpApiServer(live, functions, web, authorization, reporting, strict=strict)

    async def stop() -> None:
        await functions.aclose()
        await web.aclose()
        await reporting.aclose()

    return (
        Service(
            "apigatewayv2",
            HttpApis(store, deployer, strict=strict),
            Tags(store),
            Routes(store, deployer),
            Integrations(store, deployer),
            Stages(store, deployer, live),
            Deployments(store, deployer),
            Authorizers(store, deployer, authorization),
            surfaces=(HttpApiSurface(server),),
            hooks=HttpApiHooks(),
            on_stop=stop,
        ),
    )
