"""Finds APIs and their parts, or says what is missing in AWS's words; pages of lists."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from outcrop.services.apigateway.http_apis.errors import BadRequestException, NotFoundException
from outcrop.services.apigateway.rest_apis.store import Part, PartKind, RestApi, RestStore, Thing, ThingKind
from outcrop.services.contract import Context, Request, Result

DEFAULT_LIMIT = 25
MAX_LIMIT = 500

_MISSING: dict[str, str] = {
    "authorizer": "Invalid Authorizer identifier specified",
    "deployment": "Invalid Deployment identifier specified",
    "documentation_part": "Invalid Documentation part identifier specified",
    "documentation_version": "Invalid Documentation version specified: {id}",
    "model": "Invalid model name specified: {id}",
    "resource": "Invalid Resource identifier specified",
    "stage": "Invalid stage identifier specified",
    "validator": "Invalid Request Validator identifier specified",
    "api_key": "Invalid API Key identifier specified",
    "base_path_mapping": "Invalid base path mapping identifier specified",
    "domain_name": "Invalid domain name identifier specified",
    "plan_key": "Invalid API Key identifier specified",
    "usage_plan": "Invalid Usage Plan ID specified",
    "vpc_link": "VPCLink not found",
}

T = TypeVar("T")


def find_api(store: RestStore, ctx: Context, api_id: str) -> RestApi:
    api = store.api(api_id)
    if api is None or (api.account, api.region) != (ctx.account, ctx.region):
        raise NotFoundException(f"Invalid API identifier specified {ctx.account}:{api_id}")
    return api


def find_part(store: RestStore, api_id: str, kind: PartKind, part_id: str) -> Part:
    part = store.part(api_id, kind, part_id)
    if part is None:
        raise NotFoundException(_MISSING[kind].format(id=part_id))
    return part


def find_thing(store: RestStore, ctx: Context, kind: ThingKind, thing_id: str) -> Thing:
    thing = store.thing(ctx.account, ctx.region, kind, thing_id)
    if thing is None:
        raise NotFoundException(_MISSING[kind].format(id=thing_id))
    return thing


def when(seconds: float) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)


def page(request: Request, items: Sequence[T], describe: Callable[[T], Result]) -> Result:
    """`position` and `limit`."""
    limit = request.get("limit", DEFAULT_LIMIT)
    if not 1 <= limit <= MAX_LIMIT:
        limit = MAX_LIMIT if limit > MAX_LIMIT else DEFAULT_LIMIT
    start = _read_position(request["position"]) if request.get("position") else 0
    end = start + limit
    result: dict[str, Any] = {"items": [describe(item) for item in items[start:end]]}
    if end < len(items):
        result["position"] = base64.urlsafe_b64encode(f"after:{end}".encode()).decode()
    return result


def _read_position(position: str) -> int:
    try:
        name, _, digits = base64.urlsafe_b64decode(position.encode()).decode().partition(":")
        if name == "after" and digits.isdecimal() and len(digits) < 10:
            return int(digits)
    except (binascii.Error, ValueError):
        pass
    raise BadRequestException("Invalid position parameter specified.")
