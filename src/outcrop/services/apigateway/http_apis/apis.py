"""HTTP APIs themselves: create (also in one go, with a target), read, change, delete."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from outcrop.services.apigateway.http_apis.errors import (
    BadRequestException,
    ConflictException,
    NotFoundException,
    no_api,
)
from outcrop.services.apigateway.http_apis.paging import page
from outcrop.services.apigateway.http_apis.routing import BadRouteKey, read_route_key
from outcrop.services.apigateway.http_apis.store import Api, ApiStore, Part, is_websocket, new_id
from outcrop.services.apigateway.http_apis.targets import function_arn, is_web_url
from outcrop.services.apigateway.http_apis.websocket_rules import check_selection
from outcrop.services.contract import Context, Request, Result

if TYPE_CHECKING:
    from outcrop.services.apigateway.http_apis.deployments import Deployer

SELECTION = "$request.method $request.path"
KEPT = (
    "ApiKeySelectionExpression",
    "CorsConfiguration",
    "Description",
    "DisableExecuteApiEndpoint",
    "IpAddressType",
    "Name",
    "RouteSelectionExpression",
    "Version",
)
QUICK = ("CredentialsArn", "RouteKey", "Target")
CUSTOM_ID = "_custom_id_"
"""A tag that chooses the API's id, so that its URL stays the same when the stack is set up anew."""


def find_api(store: ApiStore, ctx: Context, api_id: str) -> Api:
    api = store.api(api_id)
    if api is None or (api.account, api.region) != (ctx.account, ctx.region):
        raise no_api(api_id)
    return api


def api_id_for(tags: Mapping[str, str], *, strict: bool) -> str:
    """A new API's id; not in strict mode, its tags may choose it. Raises BadRequestException."""
    custom = tags.get(CUSTOM_ID)
    if custom is None or strict:
        return new_id(10)
    if not re.fullmatch(r"[a-z0-9-]{1,63}", custom):
        raise BadRequestException(f"The tag {CUSTOM_ID} takes lower-case letters, digits and hyphens: '{custom}'")
    return custom


def api_arn(api: Api) -> str:
    return f"arn:aws:apigateway:{api.region}::/apis/{api.id}"


class HttpApis:
    def __init__(self, store: ApiStore, deployer: Deployer, *, strict: bool) -> None:
        self._store = store
        self._deployer = deployer
        self._strict = strict

    async def create_api(self, ctx: Context, request: Request) -> Result:
        definition = {name: request[name] for name in KEPT if name in request}
        if request["ProtocolType"] == "WEBSOCKET":
            definition["ProtocolType"] = "WEBSOCKET"
        _check(definition)
        parts = _quick_parts(request)
        tags = dict(request.get("Tags", {}))
        api_id = api_id_for(tags, strict=self._strict)
        if not self._store.add_api(api_id, ctx.account, ctx.region, definition, tags):
            raise ConflictException(f"An API with the id {api_id} exists already")
        api = find_api(self._store, ctx, api_id)
        if parts:
            integration, route = parts
            self._store.put_part(Part(api_id, "integration", integration.id, integration.definition))
            self._store.put_part(Part(api_id, "route", route.id, route.definition))
            self._store.add_stage(api_id, "$default", {"AutoDeploy": True, "ApiGatewayManaged": True}, {})
            self._deployer.changed(api)
        return _describe(ctx, api)

    async def get_api(self, ctx: Context, request: Request) -> Result:
        return _describe(ctx, find_api(self._store, ctx, request["ApiId"]))

    async def get_apis(self, ctx: Context, request: Request) -> Result:
        return page(request, self._store.apis(ctx.account, ctx.region), lambda api: _describe(ctx, api))

    async def update_api(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["ApiId"])
        definition = {**api.definition, **{name: request[name] for name in KEPT if name in request}}
        _check(definition)
        self._update_quick(api, request)
        self._store.set_api(api, definition)
        self._deployer.changed(api)
        return _describe(ctx, find_api(self._store, ctx, api.id))

    async def delete_api(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["ApiId"])
        self._store.delete_api(api)
        self._deployer.changed(api)
        return {}

    async def delete_cors_configuration(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["ApiId"])
        self._store.set_api(api, {name: v for name, v in api.definition.items() if name != "CorsConfiguration"})
        self._deployer.changed(api)
        return {}

    def _update_quick(self, api: Api, request: Request) -> None:
        """Change the integration or the route that quick create made."""
        if not any(name in request for name in QUICK):
            return
        parts = (*self._store.parts(api.id, "integration"), *self._store.parts(api.id, "route"))
        managed = {part.kind: part for part in parts if part.definition.get("ApiGatewayManaged")}
        if set(managed) != {"integration", "route"}:
            raise BadRequestException("Only an API made by quick create takes target, routeKey and credentialsArn")
        integration, route = managed["integration"], managed["route"]
        target = request.get("Target") or integration.definition["IntegrationUri"]
        definition = {**_quick_integration(target), **_credentials(request)}
        self._store.put_part(Part(api.id, "integration", integration.id, definition))
        key = request.get("RouteKey", route.definition["RouteKey"])
        _check_route_key(key)
        self._store.put_part(Part(api.id, "route", route.id, {**route.definition, "RouteKey": key}))


def _describe(ctx: Context, api: Api) -> Result:
    return {
        "RouteSelectionExpression": SELECTION,
        "ApiKeySelectionExpression": "$request.header.x-api-key",
        "DisableExecuteApiEndpoint": False,
        "IpAddressType": "ipv4",
        **api.definition,
        "ApiId": api.id,
        "ApiEndpoint": endpoint_of(ctx, api.id, "ws" if is_websocket(api.definition) else "http"),
        "CreatedDate": datetime.fromtimestamp(api.created_at, UTC),
        "ProtocolType": api.definition.get("ProtocolType", "HTTP"),
        "Tags": dict(api.tags),
    }


def endpoint_of(ctx: Context, api_id: str, scheme: str = "http") -> str:
    """The API's own URL on this stack."""
    try:
        port = urlsplit(ctx.endpoint).port or (443 if ctx.endpoint.startswith("https") else 80)
    except ValueError:
        port = 4566
    return f"{scheme}://{api_id}.execute-api.localhost:{port}"


def _check(definition: Mapping[str, Any]) -> None:
    if not 1 <= len(definition.get("Name", "")) <= 128:
        raise BadRequestException("Api name must have between 1 and 128 characters")
    if is_websocket(definition):
        if not definition.get("RouteSelectionExpression"):
            raise BadRequestException("Route selection expression is required for WebSocket APIs")
        check_selection(definition["RouteSelectionExpression"])
        if "CorsConfiguration" in definition:
            raise BadRequestException("CORS is not supported for WebSocket APIs")
        return
    if definition.get("RouteSelectionExpression", SELECTION).replace("{", "").replace("}", "") != SELECTION:
        raise BadRequestException(f"The route selection expression of an HTTP API must be {SELECTION}")
    if cors := definition.get("CorsConfiguration"):
        _check_cors(cors)


def _check_cors(cors: Mapping[str, Any]) -> None:
    for origin in cors.get("AllowOrigins", ()):
        if origin != "*" and not re.fullmatch(r"[a-z][a-z0-9+.-]*://[^/\s]+", origin, re.IGNORECASE):
            raise BadRequestException(
                f"Invalid format for origin {origin}. Origins should be in the format 'scheme://host:port', without a "
                "path"
            )
    if cors.get("AllowCredentials") and "*" in cors.get("AllowOrigins", ()):
        raise BadRequestException("allow-credentials is not supported when allow-origin is *")


def _check_route_key(key: str) -> None:
    try:
        read_route_key(key)
    except BadRouteKey as error:
        raise BadRequestException(str(error)) from None


def _quick_parts(request: Request) -> tuple[Part, Part] | None:
    """The integration and the route of a quick create."""
    if not request.get("Target"):
        if any(name in request for name in QUICK):
            raise BadRequestException("target is required when routeKey or credentialsArn is given")
        return None
    key = request.get("RouteKey", "$default")
    _check_route_key(key)
    integration = Part("", "integration", new_id(7), {**_quick_integration(request["Target"]), **_credentials(request)})
    route = {"RouteKey": key, "Target": f"integrations/{integration.id}", "ApiGatewayManaged": True}
    return integration, Part("", "route", new_id(7), route)


def _quick_integration(target: str) -> Mapping[str, Any]:
    if function_arn(target):
        kind = {"IntegrationType": "AWS_PROXY", "IntegrationMethod": "POST", "PayloadFormatVersion": "2.0"}
    elif is_web_url(target):
        kind = {"IntegrationType": "HTTP_PROXY", "IntegrationMethod": "ANY", "PayloadFormatVersion": "1.0"}
    else:
        raise BadRequestException(f"Invalid target: '{target}' is neither a Lambda function's ARN nor a URL")
    return {
        **kind,
        "IntegrationUri": target,
        "ConnectionType": "INTERNET",
        "TimeoutInMillis": 30000,
        "ApiGatewayManaged": True,
    }


def _credentials(request: Request) -> Mapping[str, Any]:
    return {"CredentialsArn": request["CredentialsArn"]} if request.get("CredentialsArn") else {}


class Tags:
    """Tags of APIs and stages, by ARN."""

    def __init__(self, store: ApiStore) -> None:
        self._store = store

    async def tag_resource(self, ctx: Context, request: Request) -> Result:
        self._change(ctx, request["ResourceArn"], request.get("Tags", {}), ())
        return {}

    async def untag_resource(self, ctx: Context, request: Request) -> Result:
        self._change(ctx, request["ResourceArn"], {}, request["TagKeys"])
        return {}

    async def get_tags(self, ctx: Context, request: Request) -> Result:
        return {"Tags": self._change(ctx, request["ResourceArn"], {}, ())}

    def _change(self, ctx: Context, arn: str, added: Mapping[str, str], removed: Any) -> dict[str, str]:
        found = re.fullmatch(r"arn:aws[\w-]*:apigateway:([\w-]+)::/apis/([\w-]+)(?:/stages/([\w$-]+))?", arn)
        if not found or found[1] != ctx.region:
            raise NotFoundException("Invalid resource identifier specified")
        api = find_api(self._store, ctx, found[2])
        stage = self._store.stage(api.id, found[3]) if found[3] else None
        if found[3] and stage is None:
            raise NotFoundException("Invalid stage identifier specified")
        before = stage.tags if stage else api.tags
        tags = {key: value for key, value in {**before, **added}.items() if key not in removed}
        if len(tags) > 50:
            raise BadRequestException("A resource takes 50 tags")
        if tags != before:
            if stage:
                self._store.set_stage_tags(stage, tags)
            else:
                self._store.set_api_tags(api, tags)
        return tags
