"""What only WebSocket APIs have beside routes and integrations: route responses and integration responses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from outcrop.services.apigateway.http_apis.apis import find_api
from outcrop.services.apigateway.http_apis.deployments import Deployer
from outcrop.services.apigateway.http_apis.errors import BadRequestException, ConflictException, NotFoundException
from outcrop.services.apigateway.http_apis.paging import page
from outcrop.services.apigateway.http_apis.store import Api, ApiStore, Part, is_websocket, new_id
from outcrop.services.contract import Context, Request, Result

ROUTE_KEPT = ("ModelSelectionExpression", "ResponseModels", "ResponseParameters", "RouteResponseKey")
INTEGRATION_KEPT = (
    "ContentHandlingStrategy",
    "IntegrationResponseKey",
    "ResponseParameters",
    "ResponseTemplates",
    "TemplateSelectionExpression",
)


class Answers:
    """The answers of routes and of integrations. An answer's id in the store is `{of}/{its own id}`."""

    def __init__(self, store: ApiStore, deployer: Deployer) -> None:
        self._store = store
        self._deployer = deployer

    async def create_route_response(self, ctx: Context, request: Request) -> Result:
        if request["RouteResponseKey"] != "$default":
            raise BadRequestException("RouteResponseKey must be $default")
        definition = {name: request[name] for name in ROUTE_KEPT if name in request}
        return self._add(ctx, request, "route", definition)

    async def get_route_response(self, ctx: Context, request: Request) -> Result:
        return _describe(self._find(ctx, request, "route"))

    async def get_route_responses(self, ctx: Context, request: Request) -> Result:
        return page(request, self._all(ctx, request, "route"), _describe)

    async def update_route_response(self, ctx: Context, request: Request) -> Result:
        return self._change(ctx, request, "route", ROUTE_KEPT)

    async def delete_route_response(self, ctx: Context, request: Request) -> Result:
        return self._delete(ctx, request, "route")

    async def create_integration_response(self, ctx: Context, request: Request) -> Result:
        key = request["IntegrationResponseKey"]
        if key != "$default" and not re.fullmatch(r"/.+/", key):
            raise BadRequestException("IntegrationResponseKey must be $default or a pattern between slashes: /400/")
        definition = {name: request[name] for name in INTEGRATION_KEPT if name in request}
        return self._add(ctx, request, "integration", definition)

    async def get_integration_response(self, ctx: Context, request: Request) -> Result:
        return _describe(self._find(ctx, request, "integration"))

    async def get_integration_responses(self, ctx: Context, request: Request) -> Result:
        return page(request, self._all(ctx, request, "integration"), _describe)

    async def update_integration_response(self, ctx: Context, request: Request) -> Result:
        return self._change(ctx, request, "integration", INTEGRATION_KEPT)

    async def delete_integration_response(self, ctx: Context, request: Request) -> Result:
        return self._delete(ctx, request, "integration")

    def _owner(self, ctx: Context, request: Request, of: Literal["route", "integration"]) -> tuple[Api, Part]:
        api = find_api(self._store, ctx, request["ApiId"])
        if not is_websocket(api.definition):
            raise BadRequestException("Responses of routes and integrations are for WebSocket APIs")
        name = "RouteId" if of == "route" else "IntegrationId"
        owner = self._store.part(api.id, of, request[name])
        if owner is None:
            raise NotFoundException(f"Invalid {of.capitalize()} identifier specified {request[name]}")
        return api, owner

    def _all(self, ctx: Context, request: Request, of: Literal["route", "integration"]) -> list[Part]:
        api, owner = self._owner(ctx, request, of)
        kind: Literal["route_response", "integration_response"] = (
            "route_response" if of == "route" else "integration_response"
        )
        return [part for part in self._store.parts(api.id, kind) if part.id.startswith(f"{owner.id}/")]

    def _find(self, ctx: Context, request: Request, of: Literal["route", "integration"]) -> Part:
        wanted = request["RouteResponseId" if of == "route" else "IntegrationResponseId"]
        for part in self._all(ctx, request, of):
            if part.id.partition("/")[2] == wanted:
                return part
        raise NotFoundException(f"Invalid {of.capitalize()}Response identifier specified {wanted}")

    def _add(
        self, ctx: Context, request: Request, of: Literal["route", "integration"], definition: Mapping[str, Any]
    ) -> Result:
        api, owner = self._owner(ctx, request, of)
        key = "RouteResponseKey" if of == "route" else "IntegrationResponseKey"
        if any(part.definition[key] == definition[key] for part in self._all(ctx, request, of)):
            raise ConflictException(f"A response with the key {definition[key]} exists already")
        part = Part(
            api.id,
            "route_response" if of == "route" else "integration_response",
            f"{owner.id}/{new_id(7)}",
            definition,
        )
        return self._keep(api, part)

    def _change(
        self, ctx: Context, request: Request, of: Literal["route", "integration"], kept: tuple[str, ...]
    ) -> Result:
        part = self._find(ctx, request, of)
        definition = {**part.definition, **{name: request[name] for name in kept if name in request}}
        api = find_api(self._store, ctx, part.api_id)
        return self._keep(api, Part(part.api_id, part.kind, part.id, definition))

    def _delete(self, ctx: Context, request: Request, of: Literal["route", "integration"]) -> Result:
        part = self._find(ctx, request, of)
        self._store.delete_part(part)
        self._deployer.changed(find_api(self._store, ctx, part.api_id))
        return {}

    def _keep(self, api: Api, part: Part) -> Result:
        self._store.put_part(part)
        self._deployer.changed(api)
        return _describe(part)


def _describe(part: Part) -> Result:
    name = "RouteResponseId" if part.kind == "route_response" else "IntegrationResponseId"
    return {**part.definition, name: part.id.partition("/")[2]}
