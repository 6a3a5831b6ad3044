"""Invokes a method as it is now, before any deployment: TestInvokeMethod."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from outcrop.services.apigateway.http_apis.errors import NotFoundException
from outcrop.services.apigateway.http_apis.exchange import Incoming
from outcrop.services.apigateway.http_apis.routing import RouteKey, Router
from outcrop.services.apigateway.rest_apis.deployments import take_snapshot
from outcrop.services.apigateway.rest_apis.exchange import RestExchange
from outcrop.services.apigateway.rest_apis.finding import find_api, find_part
from outcrop.services.apigateway.rest_apis.live import LiveMethod, LiveRestApis
from outcrop.services.apigateway.rest_apis.store import Part, RestApi, RestStore
from outcrop.services.contract import Context, Request, Result

if TYPE_CHECKING:
    from outcrop.services.apigateway.rest_apis.serving import RestApiServer


def draft_exchange(
    store: RestStore, api: RestApi, resource: Part | None, http_method: str, request: Request
) -> RestExchange:
    """A request that a test describes, to the API as it is now."""
    stage = LiveRestApis(store).draft(api, take_snapshot(store, api), request.get("stageVariables", {}))
    path, _, query = request.get("pathWithQueryString", "").partition("?")
    path = path or (resource.definition["path"] if resource else "/")
    headers = [(name.lower(), value) for name, value in _pairs(request)]
    method = "GET" if http_method == "ANY" else http_method
    incoming = Incoming(
        method,
        "testPrefix.testDomainName",
        unquote(path),
        query,
        headers,
        body=request.get("body", "").encode(),
        source_ip="test-invoke-source-ip",
        scheme="https",
        port=443,
    )
    exchange = RestExchange(incoming, stage)
    if resource is not None:
        definition = resource.definition["resourceMethods"][http_method]
        exchange.method = LiveMethod(resource.id, resource.definition["path"], http_method, definition, {}, None)
        exchange.path_parameters = _path_parameters(resource.definition["path"], path)
    return exchange


def _pairs(request: Request) -> list[tuple[str, str]]:
    several: Mapping[str, list[str]] = request.get("multiValueHeaders", {})
    pairs = [(name, value) for name, values in several.items() for value in values]
    return pairs + [(name, value) for name, value in request.get("headers", {}).items() if name not in several]


def _path_parameters(template: str, path: str) -> dict[str, str]:
    router: Router[bool] = Router()
    router.add(RouteKey(template, "ANY", template, tuple(template[1:].split("/"))), True)
    found = router.find("ANY", [unquote(part) for part in path.lstrip("/").split("/")])
    return found[1] if found else {}


class TestInvocations:
    __test__ = False

    def __init__(self, store: RestStore, server: RestApiServer) -> None:
        self._store = store
        self._server = server

    async def test_invoke_method(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["restApiId"])
        resource = find_part(self._store, api.id, "resource", request["resourceId"])
        method = resource.definition["resourceMethods"].get(request["httpMethod"])
        if method is None:
            raise NotFoundException("Invalid Method identifier specified")
        if "methodIntegration" not in method:
            raise NotFoundException("Invalid Integration identifier specified")
        exchange = draft_exchange(self._store, api, resource, request["httpMethod"], request)
        exchange.note(f"Execution log for request {exchange.request_id}")
        exchange.note(f"HTTP Method: {exchange.incoming.method}, Resource Path: {exchange.incoming.path}")
        started = time.perf_counter()
        reply = await self._server.test(exchange)
        exchange.note(f"Method completed with status: {reply.status}")
        several: dict[str, list[str]] = {}
        for name, value in reply.headers:
            several.setdefault(_capitals(name), []).append(value)
        result: dict[str, Any] = {
            "status": reply.status,
            "body": reply.body.decode("utf-8", "replace"),
            "headers": {name: values[-1] for name, values in several.items()},
            "multiValueHeaders": several,
            "log": "\n".join(exchange.log),
            "latency": round((time.perf_counter() - started) * 1000),
        }
        return result


def _capitals(name: str) -> str:
    return "-".join(word.capitalize() for word in name.split("-"))
