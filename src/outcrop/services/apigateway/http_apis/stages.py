"""Stages of an HTTP API: names under which deployments are served."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from outcrop.services.apigateway.http_apis.apis import find_api
from outcrop.services.apigateway.http_apis.deployments import Deployer, find_deployment
from outcrop.services.apigateway.http_apis.errors import BadRequestException, ConflictException, NotFoundException
from outcrop.services.apigateway.http_apis.live import LiveApis
from outcrop.services.apigateway.http_apis.paging import page
from outcrop.services.apigateway.http_apis.store import Api, ApiStore, Stage
from outcrop.services.contract import Context, Request, Result

KEPT = (
    "AccessLogSettings",
    "AutoDeploy",
    "DefaultRouteSettings",
    "DeploymentId",
    "Description",
    "RouteSettings",
    "StageVariables",
)
_LOG_GROUP = re.compile(r"arn:aws[\w-]*:logs:[\w-]+:\d{12}:log-group:[^:*]+(:\*)?")


class Stages:
    def __init__(self, store: ApiStore, deployer: Deployer, live: LiveApis) -> None:
        self._store = store
        self._deployer = deployer
        self._live = live

    async def create_stage(self, ctx: Context, request: Request) -> Result:
        api, name = find_api(self._store, ctx, request["ApiId"]), request["StageName"]
        if name != "$default" and not re.fullmatch(r"[A-Za-z0-9_-]{1,128}", name):
            raise BadRequestException("Stage name only allows a-zA-Z0-9_- and the name $default")
        definition = {key: request[key] for key in KEPT if key in request}
        if definition.get("AutoDeploy") and "DeploymentId" in definition:
            raise BadRequestException("deploymentId cannot be set when autoDeploy is enabled")
        self._check(api, definition)
        if not self._store.add_stage(api.id, name, definition, dict(request.get("Tags", {}))):
            raise ConflictException("Stage already exists")
        self._deployed(api, definition)
        return _describe(self._find(api, name))

    async def get_stage(self, ctx: Context, request: Request) -> Result:
        return _describe(self._find(find_api(self._store, ctx, request["ApiId"]), request["StageName"]))

    async def get_stages(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["ApiId"])
        return page(request, self._store.stages(api.id), _describe)

    async def update_stage(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["ApiId"])
        stage = self._find(api, request["StageName"])
        given = {key: request[key] for key in KEPT if key in request}
        definition = {**stage.definition, **given}
        if definition.get("AutoDeploy") and "DeploymentId" in given:
            raise BadRequestException("deploymentId cannot be updated when autoDeploy is enabled")
        if "StageVariables" in given:
            merged = {**stage.definition.get("StageVariables", {}), **given["StageVariables"]}
            definition["StageVariables"] = {key: value for key, value in merged.items() if value}
        if "RouteSettings" in given:
            definition["RouteSettings"] = {**stage.definition.get("RouteSettings", {}), **given["RouteSettings"]}
        self._check(api, definition)
        self._store.set_stage(stage, definition)
        self._deployed(api, given)
        return _describe(self._find(api, stage.name))

    async def delete_stage(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["ApiId"])
        self._store.delete_stage(self._find(api, request["StageName"]))
        self._live.forget(api.id)
        return {}

    async def delete_access_log_settings(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["ApiId"])
        stage = self._find(api, request["StageName"])
        self._store.set_stage(stage, {k: v for k, v in stage.definition.items() if k != "AccessLogSettings"})
        self._live.forget(api.id)
        return {}

    async def delete_route_settings(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["ApiId"])
        stage = self._find(api, request["StageName"])
        settings = dict(stage.definition.get("RouteSettings", {}))
        if settings.pop(request["RouteKey"], None) is None:
            raise NotFoundException(
                f"Unable to find Route by key {request['RouteKey']} within the provided RouteSettings"
            )
        self._store.set_stage(stage, {**stage.definition, "RouteSettings": settings})
        self._live.forget(api.id)
        return {}

    def _find(self, api: Api, name: str) -> Stage:
        if not (stage := self._store.stage(api.id, name)):
            raise NotFoundException("Invalid stage identifier specified")
        return stage

    def _deployed(self, api: Api, given: Mapping[str, Any]) -> None:
        if given.get("AutoDeploy"):
            self._deployer.changed(api)
        else:
            self._live.forget(api.id)

    def _check(self, api: Api, definition: Mapping[str, Any]) -> None:
        if "DeploymentId" in definition:
            find_deployment(self._store, api, definition["DeploymentId"])
        for name, value in definition.get("StageVariables", {}).items():
            if not re.fullmatch(r"\w+", name, re.ASCII) or not re.fullmatch(r"[A-Za-z0-9\-._~:/?#&=,]*", value):
                raise BadRequestException(
                    f"Stage variable {name} is invalid: names have letters, digits and underscores, values match "
                    "[A-Za-z0-9-._~:/?#&=,]+"
                )
        keys = {route.definition["RouteKey"] for route in self._store.parts(api.id, "route")}
        settings = definition.get("RouteSettings", {})
        for key in settings:
            if key not in keys:
                raise NotFoundException(f"Unable to find Route by key {key} within the provided RouteSettings")
        for one in (definition.get("DefaultRouteSettings", {}), *settings.values()):
            if one.get("ThrottlingRateLimit", 0) < 0 or one.get("ThrottlingBurstLimit", 0) < 0:
                raise BadRequestException("Throttling limits must not be negative")
        if logs := definition.get("AccessLogSettings"):
            _check_logs(logs)


def _check_logs(settings: Mapping[str, Any]) -> None:
    if not _LOG_GROUP.fullmatch(settings.get("DestinationArn", "")):
        raise BadRequestException(
            "Invalid ARN specified in the request. ARNs must start with 'arn:aws:logs:' and name a log group"
        )
    if "$context.requestId" not in settings.get("Format", ""):
        raise BadRequestException("Access Log format must contain $context.requestId")


def _describe(stage: Stage) -> Result:
    return {
        "AutoDeploy": False,
        "DefaultRouteSettings": {"DetailedMetricsEnabled": False},
        "RouteSettings": {},
        "StageVariables": {},
        **stage.definition,
        "StageName": stage.name,
        "CreatedDate": datetime.fromtimestamp(stage.created_at, UTC),
        "LastUpdatedDate": datetime.fromtimestamp(stage.updated_at, UTC),
        "Tags": dict(stage.tags),
    }
