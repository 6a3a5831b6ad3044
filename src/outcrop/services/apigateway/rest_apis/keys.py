"""API keys and usage plans."""

from __future__ import annotations

import csv
import io
import secrets
import string
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from outcrop.services.apigateway.http_apis.errors import BadRequestException, ConflictException, NotFoundException
from outcrop.services.apigateway.http_apis.store import new_id
from outcrop.services.apigateway.rest_apis.finding import find_api, find_thing, page, when
from outcrop.services.apigateway.rest_apis.limits import Limits, period_start
from outcrop.services.apigateway.rest_apis.patching import Fields, patched, read_value, split_path
from outcrop.services.apigateway.rest_apis.store import Definition, RestStore, Thing
from outcrop.services.contract import Context, Request, Result

PERIODS = ("DAY", "WEEK", "MONTH")
_LETTERS = string.ascii_letters + string.digits
KEY_FIELDS: Fields = {
    "/name": "text",
    "/description": "text",
    "/enabled": "bool",
    "/customerId": "text",
}
PLAN_FIELDS: Fields = {
    "/name": "text",
    "/description": "text",
    "/productCode": "text",
    "/throttle/rateLimit": "number",
    "/throttle/burstLimit": "int",
    "/throttle": "text",
    "/quota/limit": "int",
    "/quota/offset": "int",
    "/quota/period": "text",
    "/quota": "text",
}


class ApiKeys:
    def __init__(self, store: RestStore, limits: Limits) -> None:
        self._store = store
        self._limits = limits

    async def create_api_key(self, ctx: Context, request: Request) -> Result:
        value = request.get("value") or "".join(secrets.choice(_LETTERS) for _ in range(40))
        definition: dict[str, Any] = {
            "enabled": bool(request.get("enabled")),
            "stageKeys": [f"{one.get('restApiId')}/{one.get('stageName')}" for one in request.get("stageKeys", ())],
            "value": value,
            **{key: request[key] for key in ("customerId", "description", "name", "tags") if key in request},
        }
        return self._add(ctx, definition)

    async def get_api_key(self, ctx: Context, request: Request) -> Result:
        key = find_thing(self._store, ctx, "api_key", request["apiKey"])
        return _describe_key(key, with_value=bool(request.get("includeValue")))

    async def get_api_keys(self, ctx: Context, request: Request) -> Result:
        keys = [
            key
            for key in self._store.things(ctx.account, ctx.region, "api_key")
            if key.definition.get("name", "").startswith(request.get("nameQuery", ""))
            and request.get("customerId") in (None, key.definition.get("customerId"))
        ]
        return page(request, keys, lambda key: _describe_key(key, with_value=bool(request.get("includeValues"))))

    async def update_api_key(self, ctx: Context, request: Request) -> Result:
        key = find_thing(self._store, ctx, "api_key", request["apiKey"])
        definition = patched(key.definition, request.get("patchOperations", ()), KEY_FIELDS)
        self._store.put_thing(Thing(ctx.account, ctx.region, "api_key", key.id, definition))
        self._limits.forget()
        return _describe_key(find_thing(self._store, ctx, "api_key", key.id), with_value=False)

    async def delete_api_key(self, ctx: Context, request: Request) -> Result:
        key = find_thing(self._store, ctx, "api_key", request["apiKey"])
        for membership in self._store.things(ctx.account, ctx.region, "plan_key"):
            if membership.id.partition("/")[2] == key.id:
                self._store.delete_thing(membership)
        self._store.delete_thing(key)
        self._limits.forget()
        return {}

    async def import_api_keys(self, ctx: Context, request: Request) -> Result:
        """A CSV file with the columns name, key, description, enabled and usageplanIds."""
        try:
            rows = list(csv.DictReader(io.StringIO(bytes(request["body"]).decode())))
        except (UnicodeDecodeError, csv.Error):
            raise BadRequestException("Unable to read the API keys: the body is not CSV") from None
        ids, warnings = [], []
        for row in rows:
            fields = {
                str(name).strip().lower(): (value or "").strip()
                for name, value in row.items()
                if isinstance(value, str)
            }
            if not fields.get("name") or not fields.get("key"):
                raise BadRequestException("Unable to import the API keys: every row needs a name and a key")
            definition: dict[str, Any] = {"name": fields["name"], "value": fields["key"], "stageKeys": []}
            definition["enabled"] = fields.get("enabled", "true").lower() != "false"
            if fields.get("description"):
                definition["description"] = fields["description"]
            try:
                key = self._add(ctx, definition)
            except ConflictException as error:
                if request.get("failOnWarnings"):
                    raise BadRequestException(error.message) from None
                warnings.append(error.message)
                continue
            ids.append(key["id"])
            for plan_id in filter(None, (one.strip() for one in fields.get("usageplanids", "").split(","))):
                find_thing(self._store, ctx, "usage_plan", plan_id)
                self._store.put_thing(Thing(ctx.account, ctx.region, "plan_key", f"{plan_id}/{key['id']}", {}))
        self._limits.forget()
        return {"ids": ids, "warnings": warnings}

    def _add(self, ctx: Context, definition: dict[str, Any]) -> Result:
        if not 20 <= len(definition["value"]) <= 128:
            raise BadRequestException(
                "API Key value should be at least 20 characters"
                if len(definition["value"]) < 20
                else "API Key value should be at most 128 characters"
            )
        if any(
            key.definition["value"] == definition["value"]
            for key in self._store.things(ctx.account, ctx.region, "api_key")
        ):
            raise ConflictException("API Key already exists")
        key_id = new_id(10)
        self._store.put_thing(Thing(ctx.account, ctx.region, "api_key", key_id, definition))
        self._limits.forget()
        return _describe_key(find_thing(self._store, ctx, "api_key", key_id), with_value=True)


def _describe_key(key: Thing, *, with_value: bool) -> Result:
    definition = {name: value for name, value in key.definition.items() if name != "value" or with_value}
    times = {"createdDate": when(key.created_at), "lastUpdatedDate": when(key.updated_at)}
    return {**definition, "id": key.id, **times}


class UsagePlans:
    def __init__(self, store: RestStore, limits: Limits) -> None:
        self._store = store
        self._limits = limits

    async def create_usage_plan(self, ctx: Context, request: Request) -> Result:
        names = ("apiStages", "description", "name", "quota", "tags", "throttle")
        definition = {"apiStages": [], **{key: request[key] for key in names if key in request}}
        self._check(ctx, definition)
        plan = Thing(ctx.account, ctx.region, "usage_plan", new_id(6), definition)
        self._store.put_thing(plan)
        self._limits.forget()
        return _describe_plan(plan)

    async def get_usage_plan(self, ctx: Context, request: Request) -> Result:
        return _describe_plan(find_thing(self._store, ctx, "usage_plan", request["usagePlanId"]))

    async def get_usage_plans(self, ctx: Context, request: Request) -> Result:
        plans = self._store.things(ctx.account, ctx.region, "usage_plan")
        if key_id := request.get("keyId"):
            members = {membership.id for membership in self._store.things(ctx.account, ctx.region, "plan_key")}
            plans = [plan for plan in plans if f"{plan.id}/{key_id}" in members]
        return page(request, plans, _describe_plan)

    async def update_usage_plan(self, ctx: Context, request: Request) -> Result:
        plan = find_thing(self._store, ctx, "usage_plan", request["usagePlanId"])
        definition: dict[str, Any] = dict(plan.definition)
        for operation in request.get("patchOperations", ()):
            definition = _patch_plan(definition, operation)
        self._check(ctx, definition)
        changed = Thing(ctx.account, ctx.region, "usage_plan", plan.id, definition)
        self._store.put_thing(changed)
        self._limits.forget()
        return _describe_plan(changed)

    async def delete_usage_plan(self, ctx: Context, request: Request) -> Result:
        plan = find_thing(self._store, ctx, "usage_plan", request["usagePlanId"])
        if plan.definition.get("apiStages"):
            raise BadRequestException(
                f"Cannot delete the usage plan {plan.id}: it is associated with API stages. Remove them first"
            )
        for membership in self._store.things(ctx.account, ctx.region, "plan_key"):
            if membership.id.startswith(f"{plan.id}/"):
                self._store.delete_thing(membership)
        self._store.delete_thing(plan)
        self._limits.forget()
        return {}

    # Keys of a plan

    async def create_usage_plan_key(self, ctx: Context, request: Request) -> Result:
        if request["keyType"] != "API_KEY":
            raise BadRequestException("Usage Plan key type must be API_KEY")
        key = find_thing(self._store, ctx, "api_key", request["keyId"])
        plan = find_thing(self._store, ctx, "usage_plan", request["usagePlanId"])
        membership = f"{plan.id}/{key.id}"
        if self._store.thing(ctx.account, ctx.region, "plan_key", membership):
            raise ConflictException(f"Usage Plan Key {key.id} already exists in the usage plan {plan.id}")
        self._store.put_thing(Thing(ctx.account, ctx.region, "plan_key", membership, {}))
        self._limits.forget()
        return _describe_member(key)

    async def get_usage_plan_key(self, ctx: Context, request: Request) -> Result:
        plan = find_thing(self._store, ctx, "usage_plan", request["usagePlanId"])
        find_thing(self._store, ctx, "plan_key", f"{plan.id}/{request['keyId']}")
        return _describe_member(find_thing(self._store, ctx, "api_key", request["keyId"]))

    async def get_usage_plan_keys(self, ctx: Context, request: Request) -> Result:
        plan = find_thing(self._store, ctx, "usage_plan", request["usagePlanId"])
        keys = [
            find_thing(self._store, ctx, "api_key", membership.id.partition("/")[2])
            for membership in self._store.things(ctx.account, ctx.region, "plan_key")
            if membership.id.startswith(f"{plan.id}/")
        ]
        keys = [key for key in keys if key.definition.get("name", "").startswith(request.get("nameQuery", ""))]
        return page(request, keys, _describe_member)

    async def delete_usage_plan_key(self, ctx: Context, request: Request) -> Result:
        plan = find_thing(self._store, ctx, "usage_plan", request["usagePlanId"])
        self._store.delete_thing(find_thing(self._store, ctx, "plan_key", f"{plan.id}/{request['keyId']}"))
        self._limits.forget()
        return {}

    # Usage

    async def get_usage(self, ctx: Context, request: Request) -> Result:
        plan = find_thing(self._store, ctx, "usage_plan", request["usagePlanId"])
        first, last = _read_day(request["startDate"]), _read_day(request["endDate"])
        if first > last or (last - first).days > 366:
            raise BadRequestException(
                "Invalid date range specified: it must be at most a year, and end after it begins"
            )
        self._limits.flush()
        used = self._store.used(plan.id, _before(first), last.isoformat())
        wanted = request.get("keyId")
        items = {
            key_id: _daily(days, first, last, plan.definition.get("quota"))
            for key_id, days in used.items()
            if wanted in (None, key_id)
        }
        return {"usagePlanId": plan.id, "startDate": first.isoformat(), "endDate": last.isoformat(), "items": items}

    async def update_usage(self, ctx: Context, request: Request) -> Result:
        """`replace /remaining`: how many requests are left in the current period."""
        plan = find_thing(self._store, ctx, "usage_plan", request["usagePlanId"])
        key_id, quota = request["keyId"], plan.definition.get("quota")
        find_thing(self._store, ctx, "plan_key", f"{plan.id}/{key_id}")
        if not quota:
            raise BadRequestException(f"The usage plan {plan.id} has no quota")
        today = datetime.now(UTC).date()
        for operation in request.get("patchOperations", ()):
            value = operation.get("value", "")
            if operation.get("path") != "/remaining" or not value.isdecimal() or len(value) > 12:
                raise BadRequestException("Usage takes the operation replace /remaining with a number")
            self._limits.forget()
            first = period_start(quota["period"], today).isoformat()
            days = self._store.used(plan.id, first, today.isoformat()).get(key_id, {})
            others = sum(count for day, count in days.items() if day != today.isoformat())
            self._store.set_used(plan.id, key_id, today.isoformat(), quota["limit"] - int(value) - others)
        self._limits.forget()
        day = today.isoformat()
        days = self._store.used(plan.id, period_start(quota["period"], today).isoformat(), day).get(key_id, {})
        return {
            "usagePlanId": plan.id,
            "startDate": day,
            "endDate": day,
            "items": {key_id: _daily(days, today, today, quota)},
        }

    def _check(self, ctx: Context, definition: Definition) -> None:
        if not definition.get("name"):
            raise BadRequestException("Usage plan name cannot be empty")
        for one in definition.get("apiStages", ()):
            if not one.get("apiId") or not one.get("stage"):
                raise BadRequestException("Usage plan API stages need an apiId and a stage")
            api = find_api(self._store, ctx, one["apiId"])
            if self._store.part(api.id, "stage", one["stage"]) is None:
                raise NotFoundException(f"API Stage not found: {one['apiId']}:{one['stage']}")
        quota = definition.get("quota")
        if quota:
            if quota.get("period") not in PERIODS:
                raise BadRequestException("Usage plan quota period must be one of: DAY, WEEK, MONTH")
            if quota.get("limit", 0) < 1:
                raise BadRequestException("Usage Plan quota limit must be greater than zero")
            if quota.get("offset", 0) < 0:
                raise BadRequestException("Usage Plan quota offset must not be negative")
        throttle = definition.get("throttle") or {}
        if throttle.get("rateLimit", 0) < 0 or throttle.get("burstLimit", 0) < 0:
            raise BadRequestException("Usage Plan throttle limits must not be negative")


def _describe_plan(plan: Thing) -> Result:
    return {**plan.definition, "id": plan.id}


def _describe_member(key: Thing) -> Result:
    named = {"name": key.definition["name"]} if "name" in key.definition else {}
    return {"id": key.id, "type": "API_KEY", "value": key.definition["value"], **named}


def _patch_plan(definition: Mapping[str, Any], operation: Mapping[str, str]) -> dict[str, Any]:
    op, path, value = operation.get("op", ""), operation.get("path", ""), operation.get("value", "")
    stages: list[Any] = [dict(one) for one in definition.get("apiStages", ())]
    if path == "/apiStages":
        api_id, _, stage = value.partition(":")
        if op == "add":
            stages.append({"apiId": api_id, "stage": stage})
        elif op == "remove":
            kept = [one for one in stages if (one["apiId"], one["stage"]) != (api_id, stage)]
            if len(kept) == len(stages):
                raise BadRequestException(f"The usage plan has no API stage {value}")
            stages = kept
        else:
            raise BadRequestException("API stages take the operations add and remove")
        return {**definition, "apiStages": stages}
    if path.startswith("/apiStages/"):
        return {**definition, "apiStages": _patch_stage(stages, op, path, value)}
    if op == "remove" and path in ("/throttle", "/quota"):
        return {key: kept for key, kept in definition.items() if key != path[1:]}
    return patched(definition, [operation], PLAN_FIELDS)


def _patch_stage(stages: list[Any], op: str, path: str, value: str) -> list[Any]:
    """`/apiStages/{api}:{stage}/throttle/{resource}/{method}/rateLimit`."""
    segments = split_path(path)
    api_id, _, name = segments[1].partition(":")
    stage = next((one for one in stages if (one["apiId"], one["stage"]) == (api_id, name)), None)
    if stage is None or segments[2:3] != ["throttle"]:
        raise BadRequestException(f"Invalid patch path  '{path}' specified for op '{op}'")
    throttle: dict[str, Any] = {key: dict(one) for key, one in (stage.get("throttle") or {}).items()}
    match segments[3:]:
        case []:
            throttle = {} if op == "remove" else throttle
        case [*method, ("rateLimit" | "burstLimit") as what]:
            kind = "number" if what == "rateLimit" else "int"
            throttle.setdefault("/".join(method), {})[what] = read_value(kind, path, value)
        case method if op == "remove":
            throttle.pop("/".join(method), None)
        case _:
            raise BadRequestException(f"Invalid patch path  '{path}' specified for op '{op}'")
    stage["throttle"] = throttle
    return stages


def _read_day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadRequestException(f"Invalid date specified: {text}. Dates are written 2026-11-28") from None


def _before(day: date) -> str:
    """Early enough that any period with the day in it has begun."""
    return (day - timedelta(days=31)).isoformat()


def _daily(days: Mapping[str, int], first: date, last: date, quota: Any) -> list[list[int]]:
    """For each day: what was used, and what was left at its end."""
    rows = []
    day = first
    while day <= last:
        used = days.get(day.isoformat(), 0)
        left = 0
        if quota:
            start = period_start(quota["period"], day).isoformat()
            left = quota["limit"] - sum(count for name, count in days.items() if start <= name <= day.isoformat())
        rows.append([used, max(left, 0)])
        day += timedelta(days=1)
    return rows
