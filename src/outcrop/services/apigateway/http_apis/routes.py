"""Routes of an HTTP API."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from outcrop.services.apigateway.http_apis.apis import find_api
from outcrop.services.apigateway.http_apis.deployments import Deployer
from outcrop.services.apigateway.http_apis.errors import BadRequestException, ConflictException, NotFoundException
from outcrop.services.apigateway.http_apis.paging import page
from outcrop.services.apigateway.http_apis.routing import DEFAULT, BadRouteKey, read_route_key
from outcrop.services.apigateway.http_apis.store import Api, ApiStore, Part, is_websocket, new_id
from outcrop.services.apigateway.http_apis.websocket_rules import check_websocket_route
from outcrop.services.contract import Context, Request, Result

KEPT = (
    "ApiKeyRequired",
    "AuthorizationScopes",
    "AuthorizationType",
    "AuthorizerId",
    "ModelSelectionExpression",
    "OperationName",
    "RequestModels",
    "RequestParameters",
    "RouteKey",
    "RouteResponseSelectionExpression",
    "Target",
)
AUTHORIZERS = {"JWT": "JWT", "CUSTOM": "REQUEST"}
"""The type of authorizer that each type of authorization needs."""


class Routes:
    def __init__(self, store: ApiStore, deployer: Deployer) -> None:
        self._store = store
        self._deployer = deployer

    async def create_route(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["ApiId"])
        route = Part(api.id, "route", new_id(7), {name: request[name] for name in KEPT if name in request})
        self._put(api, route)
        return _describe(route)

    async def get_route(self, ctx: Context, request: Request) -> Result:
        return _describe(self._find(find_api(self._store, ctx, request["ApiId"]), request["RouteId"]))

    async def get_routes(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["ApiId"])
        return page(request, self._store.parts(api.id, "route"), _describe)

    async def update_route(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["ApiId"])
        route = self._find(api, request["RouteId"])
        given = {name: request[name] for name in KEPT if name in request}
        if route.definition["RouteKey"] == DEFAULT and given.get("RouteKey", DEFAULT) != DEFAULT:
            raise BadRequestException("The $default route key cannot be modified")
        definition = {**route.definition, **given}
        if given.get("AuthorizationType") == "NONE":
            definition.pop("AuthorizerId", None)
        route = Part(api.id, "route", route.id, definition)
        self._put(api, route)
        return _describe(route)

    async def delete_route(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["ApiId"])
        self._store.delete_part(self._find(api, request["RouteId"]))
        self._deployer.changed(api)
        return {}

    async def delete_route_request_parameter(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["ApiId"])
        route = self._find(api, request["RouteId"])
        parameters = dict(route.definition.get("RequestParameters", {}))
        if parameters.pop(request["RequestParameterKey"], None) is None:
            raise NotFoundException(f"Invalid request parameter specified {request['RequestParameterKey']}")
        self._store.put_part(Part(api.id, "route", route.id, {**route.definition, "RequestParameters": parameters}))
        self._deployer.changed(api)
        return {}

    def _find(self, api: Api, route_id: str) -> Part:
        if not (route := self._store.part(api.id, "route", route_id)):
            raise NotFoundException(f"Invalid Route identifier specified {route_id}")
        return route

    def _put(self, api: Api, route: Part) -> None:
        definition = route.definition
        if is_websocket(api.definition):
            check_websocket_route(definition)
        else:
            _check_key(definition["RouteKey"])
        for other in self._store.parts(api.id, "route"):
            if other.id != route.id and _same(other.definition["RouteKey"], definition["RouteKey"]):
                raise ConflictException(f"Route with key {definition['RouteKey']} already exists for this API")
        self._check_target(api, definition)
        self._check_authorization(api, definition)
        self._store.put_part(route)
        self._deployer.changed(api)

    def _check_target(self, api: Api, definition: Mapping[str, Any]) -> None:
        target = definition.get("Target")
        if not target:
            return
        kind, _, integration_id = target.partition("/")
        if kind != "integrations":
            raise BadRequestException(
                f"Invalid target: '{target}'. A target has the form integrations/<integration id>"
            )
        if not self._store.part(api.id, "integration", integration_id):
            raise NotFoundException(f"Invalid Integration identifier specified {integration_id}")

    def _check_authorization(self, api: Api, definition: Mapping[str, Any]) -> None:
        if definition.get("ApiKeyRequired"):
            raise BadRequestException("apiKeyRequired is not supported for HTTP APIs")
        kind, authorizer_id = definition.get("AuthorizationType", "NONE"), definition.get("AuthorizerId")
        if definition.get("AuthorizationScopes") and kind != "JWT":
            raise BadRequestException("AuthorizationScopes can only be set for routes with authorization type JWT")
        if kind in ("NONE", "AWS_IAM"):
            return
        authorizer = self._store.part(api.id, "authorizer", authorizer_id) if authorizer_id else None
        if authorizer is None:
            raise NotFoundException(f"Invalid Authorizer identifier specified {authorizer_id}")
        if authorizer.definition["AuthorizerType"] != AUTHORIZERS[kind]:
            raise BadRequestException(
                f"Authorization type {kind} needs an authorizer of type {AUTHORIZERS[kind]}; {authorizer_id} is of "
                f"type {authorizer.definition['AuthorizerType']}"
            )


def _check_key(key: str) -> None:
    try:
        read_route_key(key)
    except BadRouteKey as error:
        raise BadRequestException(str(error)) from None


def _same(one: str, other: str) -> bool:
    """Whether two route keys match the same requests: names of path variables make no difference."""
    return re.sub(r"\{[^}+]+(\+?)\}", r"{\1}", one) == re.sub(r"\{[^}+]+(\+?)\}", r"{\1}", other)


def _describe(route: Part) -> Result:
    return {"ApiKeyRequired": False, "AuthorizationType": "NONE", **route.definition, "RouteId": route.id}
