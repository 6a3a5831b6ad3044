"""Gateway responses: how the answers that API Gateway gives by itself look."""

from __future__ import annotations

import re
from typing import Any

from outcrop.services.apigateway.http_apis.errors import BadRequestException, NotFoundException
from outcrop.services.apigateway.rest_apis.failures import STATUSES, TYPES
from outcrop.services.apigateway.rest_apis.finding import find_api
from outcrop.services.apigateway.rest_apis.patching import Fields, patched
from outcrop.services.apigateway.rest_apis.store import Definition, Part, RestStore
from outcrop.services.contract import Context, Request, Result

FIELDS: Fields = {"/statusCode": "text", "/responseParameters/{}": "text", "/responseTemplates/{}": "text"}


class GatewayResponses:
    def __init__(self, store: RestStore) -> None:
        self._store = store

    async def put_gateway_response(self, ctx: Context, request: Request) -> Result:
        api, kind = find_api(self._store, ctx, request["restApiId"]), request["responseType"]
        names = ("responseParameters", "responseTemplates", "statusCode")
        definition = {key: request[key] for key in names if request.get(key)}
        return self._keep(api.id, kind, definition)

    async def get_gateway_response(self, ctx: Context, request: Request) -> Result:
        api, kind = find_api(self._store, ctx, request["restApiId"]), request["responseType"]
        return self._describe(api.id, kind)

    async def get_gateway_responses(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["restApiId"])
        return {"items": [self._describe(api.id, kind) for kind in TYPES]}

    async def update_gateway_response(self, ctx: Context, request: Request) -> Result:
        api, kind = find_api(self._store, ctx, request["restApiId"]), request["responseType"]
        before = self._describe(api.id, kind)
        kept = {key: before[key] for key in ("responseParameters", "responseTemplates", "statusCode") if key in before}
        return self._keep(api.id, kind, patched(kept, request.get("patchOperations", ()), FIELDS))

    async def delete_gateway_response(self, ctx: Context, request: Request) -> Result:
        api, kind = find_api(self._store, ctx, request["restApiId"]), request["responseType"]
        part = self._store.part(api.id, "gateway_response", kind)
        if part is None:
            raise NotFoundException("Gateway response type not defined on api")
        self._store.delete(part)
        return {}

    def _keep(self, api_id: str, kind: str, definition: Definition) -> Result:
        check_gateway_response(kind, definition)
        self._store.put(Part(api_id, "gateway_response", kind, definition))
        return self._describe(api_id, kind)

    def _describe(self, api_id: str, kind: str) -> Result:
        if kind not in TYPES:
            raise _unknown(kind)
        part = self._store.part(api_id, "gateway_response", kind)
        definition: dict[str, Any] = dict(part.definition) if part else {}
        if not kind.startswith("DEFAULT_"):
            definition.setdefault("statusCode", str(STATUSES[kind]))
        templates = {"application/json": '{"message":$context.error.messageString}'}
        return {
            "responseParameters": {},
            "responseTemplates": templates,
            **definition,
            "responseType": kind,
            "defaultResponse": part is None,
        }


def check_gateway_response(kind: str, definition: Definition) -> None:
    """Raises BadRequestException."""
    if kind not in TYPES:
        raise _unknown(kind)
    status = definition.get("statusCode")
    if status and not re.fullmatch(r"[1-5]\d\d", status, re.ASCII):
        raise BadRequestException(f"Invalid status code specified: {status}")
    for name, source in definition.get("responseParameters", {}).items():
        if not re.fullmatch(r"gatewayresponse\.header\.[\w!#$%&'*+.^`|~-]+", name) or not re.fullmatch(
            r"'[^']*'|(?:method\.request\.\w+|context|stageVariables)\..+", source, re.DOTALL
        ):
            raise BadRequestException(f"Invalid mapping expression specified: {name}={source}")


def _unknown(kind: str) -> BadRequestException:
    return BadRequestException(
        f"1 validation error detected: Value '{kind}' at 'responseType' failed to satisfy constraint: Member must "
        f"satisfy enum value set: [{', '.join(TYPES)}]"
    )
