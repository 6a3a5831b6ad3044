"""Stages of a REST API: names under which deployments are served, with variables, limits, logs and a canary."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from outcrop.services.apigateway.http_apis.errors import BadRequestException, ConflictException
from outcrop.services.apigateway.rest_apis.finding import find_api, find_part, when
from outcrop.services.apigateway.rest_apis.patching import Fields, patched, read_value, split_path
from outcrop.services.apigateway.rest_apis.store import Definition, Part, RestApi, RestStore
from outcrop.services.contract import Context, Request, Result

if TYPE_CHECKING:
    from outcrop.services.apigateway.rest_apis.authorization import RestAuthorization
    from outcrop.services.apigateway.rest_apis.live import LiveRestApis

MAX_STAGES = 10
KEPT = (
    "cacheClusterEnabled",
    "cacheClusterSize",
    "canarySettings",
    "deploymentId",
    "description",
    "documentationVersion",
    "tracingEnabled",
    "variables",
)
FIELDS: Fields = {
    "/deploymentId": "text",
    "/description": "text",
    "/cacheClusterEnabled": "bool",
    "/cacheClusterSize": "text",
    "/clientCertificateId": "text",
    "/documentationVersion": "text",
    "/tracingEnabled": "bool",
    "/variables/{}": "text",
    "/accessLogSettings/format": "text",
    "/accessLogSettings/destinationArn": "text",
    "/accessLogSettings": "text",
    "/canarySettings/percentTraffic": "number",
    "/canarySettings/deploymentId": "text",
    "/canarySettings/useStageCache": "bool",
    "/canarySettings/stageVariableOverrides/{}": "text",
    "/canarySettings": "text",
}
METHOD_SETTINGS: Mapping[str, tuple[str, str]] = {
    "metrics/enabled": ("metricsEnabled", "bool"),
    "logging/loglevel": ("loggingLevel", "text"),
    "logging/dataTrace": ("dataTraceEnabled", "bool"),
    "throttling/burstLimit": ("throttlingBurstLimit", "int"),
    "throttling/rateLimit": ("throttlingRateLimit", "number"),
    "caching/enabled": ("cachingEnabled", "bool"),
    "caching/ttlInSeconds": ("cacheTtlInSeconds", "int"),
    "caching/dataEncrypted": ("cacheDataEncrypted", "bool"),
    "caching/requireAuthorizationForCacheControl": ("requireAuthorizationForCacheControl", "bool"),
    "caching/unauthorizedCacheControlHeaderStrategy": ("unauthorizedCacheControlHeaderStrategy", "text"),
}
DEFAULT_SETTINGS: Definition = {
    "metricsEnabled": False,
    "dataTraceEnabled": False,
    "throttlingBurstLimit": 5000,
    "throttlingRateLimit": 10000.0,
    "cachingEnabled": False,
    "cacheTtlInSeconds": 300,
    "cacheDataEncrypted": False,
    "requireAuthorizationForCacheControl": True,
    "unauthorizedCacheControlHeaderStrategy": "SUCCEED_WITH_RESPONSE_HEADER",
}
_SETTING = re.compile(rf"/(?P<method>.+)/(?P<setting>{'|'.join(map(re.escape, METHOD_SETTINGS))})")


class RestStages:
    def __init__(self, store: RestStore, live: LiveRestApis, authorization: RestAuthorization) -> None:
        self._store = store
        self._live = live
        self._authorization = authorization

    async def create_stage(self, ctx: Context, request: Request) -> Result:
        api, name = find_api(self._store, ctx, request["restApiId"]), request["stageName"]
        definition = {key: request[key] for key in (*KEPT, "tags") if key in request}
        if self._store.part(api.id, "stage", name):
            raise ConflictException("Stage already exists")
        self._check(api, name, definition)
        return self._keep(api, name, definition)

    async def get_stage(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["restApiId"])
        return _describe(find_part(self._store, api.id, "stage", request["stageName"]))

    async def get_stages(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["restApiId"])
        wanted = request.get("deploymentId")
        stages = [
            stage
            for stage in self._store.parts(api.id, "stage")
            if wanted is None or stage.definition["deploymentId"] == wanted
        ]
        return {"item": [_describe(stage) for stage in stages]}

    async def update_stage(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["restApiId"])
        stage = find_part(self._store, api.id, "stage", request["stageName"])
        definition: dict[str, Any] = dict(stage.definition)
        for operation in request.get("patchOperations", ()):
            definition = _patch(definition, operation)
        if isinstance(definition.get("canarySettings"), str):
            del definition["canarySettings"]
        if canary := definition.get("canarySettings"):
            canary.setdefault("deploymentId", definition["deploymentId"])
        self._check(api, stage.id, definition)
        return self._keep(api, stage.id, definition)

    async def delete_stage(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["restApiId"])
        stage = find_part(self._store, api.id, "stage", request["stageName"])
        for plan in self._store.things(ctx.account, ctx.region, "usage_plan"):
            stages = plan.definition.get("apiStages", ())
            if any(one.get("apiId") == api.id and one.get("stage") == stage.id for one in stages):
                raise BadRequestException(
                    f"Cannot delete stage '{stage.id}' because it is associated with the usage plan {plan.id}"
                )
        self._store.delete(stage)
        self._live.forget(api.id)
        return {}

    async def flush_stage_cache(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["restApiId"])
        find_part(self._store, api.id, "stage", request["stageName"])
        return {}

    async def flush_stage_authorizers_cache(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["restApiId"])
        find_part(self._store, api.id, "stage", request["stageName"])
        self._authorization.forget(api.id)
        return {}

    def check_deployment(self, api: RestApi, name: str, request: Request) -> None:
        """Raises if CreateDeployment may not deploy to this stage so."""
        if not name:
            if any(key in request for key in ("stageDescription", "variables", "canarySettings")):
                raise BadRequestException(
                    "Stage name must be non-empty to set its description, its variables or its canary"
                )
            return
        _check_name(name)
        canary = request.get("canarySettings")
        if canary and self._store.part(api.id, "stage", name) is None:
            raise BadRequestException(
                "Invalid deployment content specified.Deployment canary settings require an existing stage"
            )
        _check_canary(canary or {})

    def deploy(self, api: RestApi, name: str, deployment_id: str, request: Request) -> None:
        """Let the stage serve a deployment, or its canary, and make it if there is none."""
        stage = self._store.part(api.id, "stage", name)
        definition: dict[str, Any] = dict(stage.definition) if stage else {}
        if canary := request.get("canarySettings"):
            before = definition.get("canarySettings", {})
            definition["canarySettings"] = {"percentTraffic": 0.0, "useStageCache": False, **before, **canary}
            definition["canarySettings"]["deploymentId"] = deployment_id
        else:
            definition["deploymentId"] = deployment_id
        for given, kept in (("stageDescription", "description"), ("tracingEnabled", "tracingEnabled")):
            if given in request:
                definition[kept] = request[given]
        for key in ("cacheClusterEnabled", "cacheClusterSize"):
            if key in request:
                definition[key] = request[key]
        if "variables" in request:
            definition["variables"] = {**definition.get("variables", {}), **request["variables"]}
        self._check(api, name, definition)
        self._keep(api, name, definition)

    def _keep(self, api: RestApi, name: str, definition: Mapping[str, Any]) -> Result:
        self._store.put(Part(api.id, "stage", name, {**definition, "updatedAt": time.time()}))
        self._live.forget(api.id)
        return _describe(find_part(self._store, api.id, "stage", name))

    def _check(self, api: RestApi, name: str, definition: Definition) -> None:
        _check_name(name)
        canary = definition.get("canarySettings", {})
        for deployment_id in (definition["deploymentId"], canary.get("deploymentId")):
            if deployment_id is not None and self._store.part(api.id, "deployment", deployment_id) is None:
                raise BadRequestException("Deployment id does not exist")
        _check_canary(canary)
        for key, value in definition.get("variables", {}).items():
            if not re.fullmatch(r"\w+", key, re.ASCII) or not re.fullmatch(r"[A-Za-z0-9\-._~:/?#&=,]*", value):
                raise BadRequestException(
                    f"Stage variable name {key} or its value is not valid: names have letters, digits and underscores, "
                    "values letters, digits and -._~:/?#&=,"
                )
        if settings := definition.get("accessLogSettings"):
            _check_access_logs(settings)
        others = [stage for stage in self._store.parts(api.id, "stage") if stage.id != name]
        if len(others) >= MAX_STAGES:
            raise BadRequestException(f"The API has {MAX_STAGES} stages, which is as many as it may have")


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,128}", name):
        raise BadRequestException("Stage name only allows a-zA-Z0-9_-")


def _check_canary(canary: Definition) -> None:
    if not 0 <= canary.get("percentTraffic", 0) <= 100:
        raise BadRequestException("Invalid canary settings: percentTraffic is a number from 0.0 to 100.0")


def _check_access_logs(settings: Definition) -> None:
    arn, form = settings.get("destinationArn", ""), settings.get("format", "")
    if arn and not re.fullmatch(r"arn:aws[\w-]*:logs:[\w-]+:\d{12}:log-group:[^:*]+(:\*)?", arn):
        raise BadRequestException(
            "Invalid ARN specified in the request. ARNs must start with 'arn:aws:logs:' and name a log group"
        )
    if form and "$context.requestId" not in form and "$context.extendedRequestId" not in form:
        raise BadRequestException(
            "Access Log format must contain one of: [$context.requestId, $context.extendedRequestId]"
        )


def _patch(definition: Definition, operation: Mapping[str, str]) -> dict[str, Any]:
    op, path, value = operation.get("op", ""), operation.get("path", ""), operation.get("value")
    if op == "copy":
        return _copy(definition, path, operation.get("from", ""))
    if op == "remove" and path == "/accessLogSettings":
        return {key: kept for key, kept in definition.items() if key != "accessLogSettings"}
    if op == "remove" and path == "/canarySettings":
        return {key: kept for key, kept in definition.items() if key != "canarySettings"}
    if found := _SETTING.fullmatch(path):
        return _patch_method(definition, op, path, found, value)
    if op == "remove" and path.count("/") >= 2 and not _is_known(path):
        return _forget_method(definition, path)
    return patched(definition, [operation], FIELDS)


def _is_known(path: str) -> bool:
    return path.startswith(("/variables/", "/canarySettings/", "/accessLogSettings/"))


def _method_key(path: str) -> str:
    return "/".join(split_path(path)).removeprefix("/")


def _patch_method(
    definition: Definition, op: str, path: str, found: re.Match[str], value: str | None
) -> dict[str, Any]:
    key = _method_key(found["method"])
    name, kind = METHOD_SETTINGS[found["setting"]]
    all_settings = dict(definition.get("methodSettings", {}))
    settings = dict(all_settings.get(key, DEFAULT_SETTINGS))
    if op == "remove":
        if name in DEFAULT_SETTINGS:
            settings[name] = DEFAULT_SETTINGS[name]
        else:
            settings.pop(name, None)
    else:
        settings[name] = read_value(kind, path, value)
    if settings.get("loggingLevel", "OFF") not in ("OFF", "ERROR", "INFO"):
        raise BadRequestException(f"Invalid logging level '{value}'. Valid values are OFF, ERROR and INFO")
    return {**definition, "methodSettings": {**all_settings, key: settings}}


def _forget_method(definition: Definition, path: str) -> dict[str, Any]:
    key = _method_key(path)
    settings = {name: kept for name, kept in definition.get("methodSettings", {}).items() if name != key}
    if key not in definition.get("methodSettings", {}):
        raise BadRequestException(
            f"Cannot remove method setting {key} because there is no method setting for this method "
        )
    return {**definition, "methodSettings": settings}


def _copy(definition: Definition, path: str, source: str) -> dict[str, Any]:
    """Promotes a canary: its deployment, or its variables, become the stage's."""
    canary = definition.get("canarySettings", {})
    match (source, path):
        case ("/canarySettings/deploymentId", "/deploymentId") if "deploymentId" in canary:
            return {**definition, "deploymentId": canary["deploymentId"]}
        case ("/canarySettings/stageVariableOverrides", "/variables"):
            overrides = canary.get("stageVariableOverrides", {})
            return {**definition, "variables": {**definition.get("variables", {}), **overrides}}
    raise BadRequestException(
        f"Invalid copy operation with path: {path} and from {source}. Valid copy:path are [/deploymentId, /variables] "
        "and valid copy:from are [/canarySettings/deploymentId, /canarySettings/stageVariableOverrides]"
    )


def _describe(stage: Part) -> Result:
    definition = json.loads(json.dumps(stage.definition))
    updated = definition.pop("updatedAt", stage.created_at)
    if not definition.get("tags"):
        definition.pop("tags", None)
    return {
        "cacheClusterEnabled": False,
        "cacheClusterStatus": "AVAILABLE" if definition.get("cacheClusterEnabled") else "NOT_AVAILABLE",
        "methodSettings": {},
        "tracingEnabled": False,
        **definition,
        "stageName": stage.id,
        "createdDate": when(stage.created_at),
        "lastUpdatedDate": when(updated),
    }
