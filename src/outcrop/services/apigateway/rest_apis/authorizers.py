"""Authorizers of a REST API, and the test of one."""

from __future__ import annotations

import json
import re
import time
from typing import Any

from outcrop.services.apigateway.http_apis.errors import BadRequestException, ConflictException
from outcrop.services.apigateway.http_apis.store import new_id
from outcrop.services.apigateway.rest_apis.authorization import DEFAULT_TTL, RestAuthorization
from outcrop.services.apigateway.rest_apis.failures import RestFailure
from outcrop.services.apigateway.rest_apis.finding import find_api, find_part, page
from outcrop.services.apigateway.rest_apis.patching import Fields, patched
from outcrop.services.apigateway.rest_apis.store import Definition, Part, RestStore
from outcrop.services.apigateway.rest_apis.testing import draft_exchange
from outcrop.services.contract import Context, Request, Result

KEPT = (
    "authType",
    "authorizerCredentials",
    "authorizerResultTtlInSeconds",
    "authorizerUri",
    "identitySource",
    "identityValidationExpression",
    "name",
    "providerARNs",
    "type",
)
FIELDS: Fields = {
    "/name": "text",
    "/type": "text",
    "/authType": "text",
    "/authorizerUri": "text",
    "/authorizerCredentials": "text",
    "/authorizerResultTtlInSeconds": "int",
    "/identitySource": "text",
    "/identityValidationExpression": "text",
    "/providerARNs/{}": "member",
}


class RestAuthorizers:
    def __init__(self, store: RestStore, authorization: RestAuthorization) -> None:
        self._store = store
        self._authorization = authorization

    async def create_authorizer(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["restApiId"])
        definition = {key: request[key] for key in KEPT if key in request}
        definition.setdefault("authorizerResultTtlInSeconds", DEFAULT_TTL)
        _check(definition)
        definition.setdefault("authType", "cognito_user_pools" if "COGNITO" in definition["type"] else "custom")
        if any(part.definition["name"] == definition["name"] for part in self._store.parts(api.id, "authorizer")):
            raise ConflictException(
                "Authorizer name must be unique. Authorizer " + definition["name"] + " already exists"
            )
        authorizer = Part(api.id, "authorizer", new_id(6), definition)
        self._store.put(authorizer)
        return {"id": authorizer.id, **definition}

    async def get_authorizer(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["restApiId"])
        authorizer = find_part(self._store, api.id, "authorizer", request["authorizerId"])
        return {"id": authorizer.id, **authorizer.definition}

    async def get_authorizers(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["restApiId"])
        authorizers = self._store.parts(api.id, "authorizer")
        return page(request, authorizers, lambda part: {"id": part.id, **part.definition})

    async def update_authorizer(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["restApiId"])
        authorizer = find_part(self._store, api.id, "authorizer", request["authorizerId"])
        definition = patched(authorizer.definition, request.get("patchOperations", ()), FIELDS)
        _check(definition)
        self._store.put(Part(api.id, "authorizer", authorizer.id, definition))
        self._authorization.forget(api.id)
        return {"id": authorizer.id, **definition}

    async def delete_authorizer(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["restApiId"])
        authorizer = find_part(self._store, api.id, "authorizer", request["authorizerId"])
        for resource in self._store.parts(api.id, "resource"):
            for method in resource.definition["resourceMethods"].values():
                if method.get("authorizerId") == authorizer.id:
                    raise ConflictException(
                        "Cannot delete authorizer '" + authorizer.definition["name"] + "', is referenced in method: "
                        f"{resource.definition['path']}/{method['httpMethod']}"
                    )
        self._store.delete(authorizer)
        self._authorization.forget(api.id)
        return {}

    async def test_invoke_authorizer(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["restApiId"])
        authorizer = find_part(self._store, api.id, "authorizer", request["authorizerId"])
        exchange = draft_exchange(self._store, api, None, "GET", request)
        started = time.perf_counter()
        result: dict[str, Any]
        try:
            answer = await self._authorization.ask(exchange, authorizer.id, authorizer.definition)
            result = {
                "clientStatus": 0,
                "principalId": str(answer.get("principalId", "")),
                "policy": json.dumps(answer["policyDocument"], separators=(",", ":")),
                "authorization": {},
            }
        except RestFailure as failure:
            exchange.note(failure.hint or failure.message)
            result = {"clientStatus": failure.status}
        return {**result, "log": "\n".join(exchange.log), "latency": round((time.perf_counter() - started) * 1000)}


def _check(definition: Definition) -> None:
    kind = definition["type"]
    if not definition.get("name"):
        raise BadRequestException("Authorizer name cannot be empty")
    if kind not in ("TOKEN", "REQUEST", "COGNITO_USER_POOLS"):
        raise BadRequestException(
            f"Invalid authorizer type: {kind}. Valid types are TOKEN, REQUEST, COGNITO_USER_POOLS"
        )
    if kind == "COGNITO_USER_POOLS" and not definition.get("providerARNs"):
        raise BadRequestException("Invalid Cognito User Pool ARNs specified: providerARNs must name one")
    if kind != "COGNITO_USER_POOLS" and not re.fullmatch(
        r"arn:aws[\w-]*:apigateway:[\w-]+:lambda:path/.+", definition.get("authorizerUri", "")
    ):
        raise BadRequestException(
            "Invalid Authorizer URI: "
            + str(definition.get("authorizerUri"))
            + ". Authorizer URI should be a valid API "
            "Gateway ARN that represents a Lambda function invocation."
        )
    ttl = definition.get("authorizerResultTtlInSeconds", DEFAULT_TTL)
    if not 0 <= ttl <= 3600:
        raise BadRequestException("AuthorizerResultTtlInSeconds must be between 0 and 3600")
    sources = [source.strip() for source in definition.get("identitySource", "").split(",") if source.strip()]
    if (kind == "TOKEN" or (kind == "REQUEST" and ttl)) and not sources:
        raise BadRequestException(
            "Identity source cannot be empty. Specify method.request.header.Authorization or the like"
        )
    for source in sources:
        if not re.fullmatch(
            r"(?:method\.request\.(?:header|querystring|path|multivalue\w+)|context|stageVariables)\..+", source
        ):
            raise BadRequestException(f"Invalid identity source specified: {source}")
