"""API Gateway: the wiring of HTTP APIs (v2) and REST APIs (v1)."""

from __future__ import annotations

from outcrop.services.apigateway.http_apis.apis import HttpApis, Tags
from outcrop.services.apigateway.http_apis.authorization import Authorization
from outcrop.services.apigateway.http_apis.authorizers import Authorizers
from outcrop.services.apigateway.http_apis.deployments import Deployer, Deployments
from outcrop.services.apigateway.http_apis.errors import HttpApiHooks
from outcrop.services.apigateway.http_apis.functions import Functions
from outcrop.services.apigateway.http_apis.integrations import Integrations
from outcrop.services.apigateway.http_apis.live import LiveApis
from outcrop.services.apigateway.http_apis.openapi import OpenApi
from outcrop.services.apigateway.http_apis.routes import Routes
from outcrop.services.apigateway.http_apis.serving import HttpApiServer
from outcrop.services.apigateway.http_apis.stages import Stages
from outcrop.services.apigateway.http_apis.store import ApiStore
from outcrop.services.apigateway.http_apis.web import WebServers
from outcrop.services.apigateway.invoker import Invoker
from outcrop.services.apigateway.reporting import Reporting
from outcrop.services.apigateway.rest_apis.account import AccountSettings, VpcLinks
from outcrop.services.apigateway.rest_apis.apis import RestApis, RestTags
from outcrop.services.apigateway.rest_apis.authorization import RestAuthorization
from outcrop.services.apigateway.rest_apis.authorizers import RestAuthorizers
from outcrop.services.apigateway.rest_apis.backends import Backends
from outcrop.services.apigateway.rest_apis.deployments import RestDeployments
from outcrop.services.apigateway.rest_apis.documentation import DocumentationParts
from outcrop.services.apigateway.rest_apis.domains import Domains, DomainTable
from outcrop.services.apigateway.rest_apis.gateway_responses import GatewayResponses
from outcrop.services.apigateway.rest_apis.keys import ApiKeys, UsagePlans
from outcrop.services.apigateway.rest_apis.limits import Limits
from outcrop.services.apigateway.rest_apis.live import LiveRestApis
from outcrop.services.apigateway.rest_apis.methods import Methods
from outcrop.services.apigateway.rest_apis.models import Models, RequestValidators
from outcrop.services.apigateway.rest_apis.openapi.imports import RestImports
from outcrop.services.apigateway.rest_apis.resources import Resources
from outcrop.services.apigateway.rest_apis.serving import RestApiServer
from outcrop.services.apigateway.rest_apis.stages import RestStages
from outcrop.services.apigateway.rest_apis.store import RestStore
from outcrop.services.apigateway.rest_apis.testing import TestInvocations
from outcrop.services.apigateway.surface import ApiSurface
from outcrop.services.apigateway.websockets.connections import ConnectionManagement, Connections
from outcrop.services.apigateway.websockets.live import LiveSockets
from outcrop.services.apigateway.websockets.routes import Answers
from outcrop.services.apigateway.websockets.surface import SocketServer
from outcrop.services.contract import Deps, Service


def services(deps: Deps) -> tuple[Service, ...]:
    strict = deps.settings.strict
    invoker, reporting = Invoker(deps), Reporting(deps)

    store = ApiStore(deps.database("apigateway"))
    live = LiveApis(store)
    deployer = Deployer(store, live)
    web = WebServers()
    authorization = Authorization(Functions(invoker))
    http_definitions = HttpApis(store, deployer, strict=strict)
    routes, integrations = Routes(store, deployer), Integrations(store, deployer)
    authorizers = Authorizers(store, deployer, authorization)
    http_apis = HttpApiServer(live, Functions(invoker), web, authorization, reporting, strict=strict)

    rest_store = RestStore(deps.database("apigateway-rest"))
    rest_live, domains = LiveRestApis(rest_store), DomainTable(rest_store)
    limits, backends = Limits(rest_store), Backends(invoker)
    rest_authorization = RestAuthorization(invoker)
    rest_definitions = RestApis(rest_store, rest_live, strict=strict)
    rest_stages = RestStages(rest_store, rest_live, rest_authorization)
    rest_apis = RestApiServer(rest_live, backends, rest_authorization, limits, reporting, strict=strict)

    connections, live_sockets = Connections(), LiveSockets(store)
    management = ConnectionManagement(connections)
    sockets = SocketServer(live_sockets, connections, invoker, reporting, strict=strict)

    async def stop() -> None:
        await connections.close_all()
        await invoker.aclose()
        await web.aclose()
        await backends.aclose()
        limits.flush()
        await reporting.aclose()

    return (
        Service(
            "apigatewayv2",
            http_definitions,
            OpenApi(store, http_definitions, routes, integrations, authorizers),
            Tags(store),
            routes,
            integrations,
            Stages(store, deployer, live),
            Deployments(store, deployer),
            authorizers,
            Answers(store, deployer),
            surfaces=(ApiSurface(http_apis, rest_apis, rest_live, domains, sockets, live_sockets, management),),
            hooks=HttpApiHooks(),
            on_stop=stop,
        ),
        Service(
            "apigateway",
            rest_definitions,
            RestImports(rest_store, rest_definitions),
            RestTags(rest_store),
            Resources(rest_store),
            Methods(rest_store),
            RestDeployments(rest_store, rest_stages),
            rest_stages,
            Models(rest_store),
            RequestValidators(rest_store),
            RestAuthorizers(rest_store, rest_authorization),
            GatewayResponses(rest_store),
            DocumentationParts(rest_store),
            ApiKeys(rest_store, limits),
            UsagePlans(rest_store, limits),
            Domains(rest_store, domains.forget),
            AccountSettings(rest_store),
            VpcLinks(rest_store),
            TestInvocations(rest_store, rest_apis),
        ),
        Service("apigatewaymanagementapi", management),
    )
