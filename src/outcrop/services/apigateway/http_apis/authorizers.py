"""Authorizers of an HTTP API: JSON Web Tokens, and Lambda functions that decide."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from outcrop.services.apigateway.http_apis.apis import find_api
from outcrop.services.apigateway.http_apis.authorization import Authorization
from outcrop.services.apigateway.http_apis.deployments import Deployer
from outcrop.services.apigateway.http_apis.errors import BadRequestException, ConflictException, NotFoundException
from outcrop.services.apigateway.http_apis.paging import page
from outcrop.services.apigateway.http_apis.store import Api, ApiStore, Part, is_websocket, new_id
from outcrop.services.apigateway.http_apis.targets import function_arn, is_web_url
from outcrop.services.contract import Context, Request, Result

KEPT = (
    "AuthorizerCredentialsArn",
    "AuthorizerPayloadFormatVersion",
    "AuthorizerResultTtlInSeconds",
    "AuthorizerType",
    "AuthorizerUri",
    "EnableSimpleResponses",
    "IdentitySource",
    "IdentityValidationExpression",
    "JwtConfiguration",
    "Name",
)


class Authorizers:
    def __init__(self, store: ApiStore, deployer: Deployer, authorization: Authorization) -> None:
        self._store = store
        self._deployer = deployer
        self._authorization = authorization

    async def create_authorizer(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["ApiId"])
        authorizer = Part(api.id, "authorizer", new_id(6), {name: request[name] for name in KEPT if name in request})
        self._put(api, authorizer)
        return _describe(authorizer)

    async def get_authorizer(self, ctx: Context, request: Request) -> Result:
        return _describe(self._find(find_api(self._store, ctx, request["ApiId"]), request["AuthorizerId"]))

    async def get_authorizers(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["ApiId"])
        return page(request, self._store.parts(api.id, "authorizer"), _describe)

    async def update_authorizer(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["ApiId"])
        authorizer = self._find(api, request["AuthorizerId"])
        definition = {**authorizer.definition, **{name: request[name] for name in KEPT if name in request}}
        authorizer = Part(api.id, "authorizer", authorizer.id, definition)
        self._put(api, authorizer)
        return _describe(authorizer)

    async def delete_authorizer(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["ApiId"])
        authorizer = self._find(api, request["AuthorizerId"])
        if any(r.definition.get("AuthorizerId") == authorizer.id for r in self._store.parts(api.id, "route")):
            raise ConflictException(f"Cannot delete Authorizer '{authorizer.id}' because it is used by a route")
        self._store.delete_part(authorizer)
        self._deployer.changed(api)
        return {}

    async def reset_authorizers_cache(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["ApiId"])
        if not self._store.stage(api.id, request["StageName"]):
            raise NotFoundException("Invalid stage identifier specified")
        self._authorization.forget(api.id)
        return {}

    def _find(self, api: Api, authorizer_id: str) -> Part:
        if not (authorizer := self._store.part(api.id, "authorizer", authorizer_id)):
            raise NotFoundException(f"Invalid Authorizer identifier specified {authorizer_id}")
        return authorizer

    def _put(self, api: Api, authorizer: Part) -> None:
        _check(authorizer.definition, websocket=is_websocket(api.definition))
        for other in self._store.parts(api.id, "authorizer"):
            if other.id != authorizer.id and other.definition["Name"] == authorizer.definition["Name"]:
                raise ConflictException(f"Authorizer name must be unique. Authorizer {other.definition['Name']} exists")
        self._store.put_part(authorizer)
        self._authorization.forget(api.id)
        self._deployer.changed(api)


def _check(definition: Mapping[str, Any], *, websocket: bool) -> None:
    sources = definition.get("IdentitySource", ())
    if websocket:
        _check_websocket(definition)
        return
    for source in sources:
        if not source.startswith(("$request.header.", "$request.querystring.", "$context.", "$stageVariables.")):
            raise BadRequestException(f"Invalid mapping expression specified: {source}")
    if definition["AuthorizerType"] == "JWT":
        jwt = definition.get("JwtConfiguration", {})
        if len(sources) != 1 or not sources[0].startswith("$request."):
            raise BadRequestException(
                "A JWT authorizer takes one identity source: a header or a query string parameter"
            )
        if not is_web_url(jwt.get("Issuer", "")):
            raise BadRequestException("A valid issuer URL is required in JwtConfiguration")
        if not jwt.get("Audience"):
            raise BadRequestException("Audience is required in JwtConfiguration")
        return
    if not function_arn(definition.get("AuthorizerUri", "")):
        raise BadRequestException("Authorizer URI must be the invocation URI of a Lambda function")
    version = definition.get("AuthorizerPayloadFormatVersion")
    if version not in ("1.0", "2.0"):
        raise BadRequestException("AuthorizerPayloadFormatVersion is a required parameter for authorizer: 1.0 or 2.0")
    if definition.get("EnableSimpleResponses") and version != "2.0":
        raise BadRequestException("EnableSimpleResponses is only supported with AuthorizerPayloadFormatVersion 2.0")
    if definition.get("AuthorizerResultTtlInSeconds") and not sources:
        raise BadRequestException("Caching needs at least one identity source")


def _check_websocket(definition: Mapping[str, Any]) -> None:
    if definition["AuthorizerType"] != "REQUEST":
        raise BadRequestException("A WebSocket API takes authorizers of type REQUEST only")
    if not function_arn(definition.get("AuthorizerUri", "")):
        raise BadRequestException("Authorizer URI must be the invocation URI of a Lambda function")
    for source in definition.get("IdentitySource", ()):
        if not source.startswith(("route.request.header.", "route.request.querystring.", "stageVariables.")):
            raise BadRequestException(f"Invalid mapping expression specified: {source}")


def _describe(authorizer: Part) -> Result:
    return {**authorizer.definition, "AuthorizerId": authorizer.id}
