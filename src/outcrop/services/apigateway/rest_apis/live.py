"""What stages of REST APIs serve right now, compiled from their deployments and kept in memory until they change."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from outcrop.services.apigateway.http_apis.live import Bucket
from outcrop.services.apigateway.http_apis.routing import RouteKey, Router
from outcrop.services.apigateway.rest_apis.store import Definition, Part, RestApi, RestStore


@dataclass(frozen=True, slots=True)
class LiveMethod:
    resource_id: str
    path: str
    """Of the resource: `/pets/{id}`."""
    http_method: str
    """Of the method: perhaps ANY."""
    definition: Definition
    settings: Mapping[str, Any]
    bucket: Bucket | None

    @property
    def integration(self) -> Definition:
        integration: Definition = self.definition["methodIntegration"]
        return integration


@dataclass(frozen=True, slots=True)
class LiveRestStage:
    account: str
    region: str
    api_id: str
    name: str
    deployment_id: str
    variables: Mapping[str, str]
    snapshot: Definition
    router: Router[LiveMethod]
    access_logs: Definition | None
    canary_percent: float = 0.0
    canary: LiveRestStage | None = None
    cache: dict[str, Any] = field(default_factory=dict)
    """What was compiled on the way: templates and schemas."""

    @property
    def api(self) -> Definition:
        api: Definition = self.snapshot["api"]
        return api

    @property
    def owner(self) -> tuple[str, str]:
        return self.account, self.region

    def choose(self) -> LiveRestStage:
        """This, or for its share of the requests the canary."""
        if self.canary is not None and random.random() * 100 < self.canary_percent:
            return self.canary
        return self


@dataclass(frozen=True, slots=True)
class LiveRestApi:
    account: str
    region: str
    disabled: bool
    """Whether the default endpoint is off."""
    stages: Mapping[str, LiveRestStage]


class LiveRestApis:
    def __init__(self, store: RestStore) -> None:
        self._store = store
        self._apis: dict[str, LiveRestApi] = {}

    def find(self, api_id: str) -> LiveRestApi | None:
        if live := self._apis.get(api_id):
            return live
        if not (api := self._store.api(api_id)):
            return None
        stages = {stage.id: self._compile(api, stage) for stage in self._store.parts(api_id, "stage")}
        disabled = bool(api.definition.get("disableExecuteApiEndpoint"))
        live = self._apis[api_id] = LiveRestApi(api.account, api.region, disabled, stages)
        return live

    def forget(self, api_id: str) -> None:
        """A stage of the API has changed."""
        self._apis.pop(api_id, None)

    def draft(self, api: RestApi, snapshot: Definition, variables: Mapping[str, str]) -> LiveRestStage:
        """The API as it is now, undeployed, for test invocations."""
        definition = {"deploymentId": "", "variables": variables}
        return _stage(api, "test-invoke-stage", definition, snapshot, variables, "")

    def _compile(self, api: RestApi, stage: Part) -> LiveRestStage:
        definition = stage.definition
        variables = definition.get("variables", {})
        canary = None
        settings = definition.get("canarySettings") or {}
        if settings:
            merged = {**variables, **settings.get("stageVariableOverrides", {})}
            canary_id: str = settings.get("deploymentId") or definition["deploymentId"]
            canary = _stage(api, stage.id, definition, self._snapshot(api, canary_id), merged, canary_id)
        deployment_id = definition["deploymentId"]
        return _stage(
            api,
            stage.id,
            definition,
            self._snapshot(api, deployment_id),
            variables,
            deployment_id,
            canary,
            float(settings.get("percentTraffic", 0.0)),
        )

    def _snapshot(self, api: RestApi, deployment_id: str) -> Definition:
        deployment = self._store.part(api.id, "deployment", deployment_id)
        assert deployment is not None, "a deployment that a stage uses can't be deleted"
        snapshot: Definition = deployment.definition["snapshot"]
        return snapshot


def _stage(
    api: RestApi,
    name: str,
    definition: Definition,
    snapshot: Definition,
    variables: Mapping[str, str],
    deployment_id: str,
    canary: LiveRestStage | None = None,
    percent: float = 0.0,
) -> LiveRestStage:
    router: Router[LiveMethod] = Router()
    all_settings = definition.get("methodSettings", {})
    shared = _bucket(all_settings.get("*/*", {}))
    for resource_id, resource in snapshot["resources"].items():
        for http_method, method in resource["resourceMethods"].items():
            if "methodIntegration" not in method:
                continue
            path = resource["path"]
            own = all_settings.get(f"{path.removeprefix('/')}/{http_method}") or all_settings.get(
                f"{path}/{http_method}"
            )
            settings = own or all_settings.get("*/*", {})
            bucket = _bucket(own) if own else shared
            key = RouteKey(f"{http_method} {path}", http_method, path, tuple(path[1:].split("/")))
            router.add(key, LiveMethod(resource_id, path, http_method, method, settings, bucket))
    logs = definition.get("accessLogSettings")
    return LiveRestStage(
        api.account,
        api.region,
        api.id,
        name,
        deployment_id,
        variables,
        snapshot,
        router,
        logs if logs and logs.get("destinationArn") and logs.get("format") else None,
        percent,
        canary,
    )


def _bucket(settings: Mapping[str, Any]) -> Bucket | None:
    rate, burst = settings.get("throttlingRateLimit", -1), settings.get("throttlingBurstLimit", -1)
    if rate < 0 and burst < 0:
        return None
    return Bucket(rate if rate >= 0 else 10_000.0, burst if burst >= 0 else 5_000)
