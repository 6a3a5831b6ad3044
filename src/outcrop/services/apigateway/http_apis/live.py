"""What stages serve right now, compiled and kept in memory until it changes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from outcrop.services.apigateway.http_apis.cors import Cors
from outcrop.services.apigateway.http_apis.mapping import Change, read_request_mapping, read_response_mapping
from outcrop.services.apigateway.http_apis.routing import RouteKey, Router, read_route_key
from outcrop.services.apigateway.http_apis.store import Api, ApiStore, Definition, Stage, is_websocket


class Bucket:
    """Lets `rate` requests a second through, and `burst` at once."""

    def __init__(self, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = max(burst, 0)
        self._tokens = float(self._burst)
        self._at = time.monotonic()

    def take(self) -> bool:
        now = time.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


@dataclass(frozen=True, slots=True)
class LiveRoute:
    key: RouteKey
    scopes: tuple[str, ...]
    integration: Definition | None
    authorizer_id: str
    authorizer: Definition | None
    by_signature: bool
    """Whether requests must be signed (AWS_IAM)."""
    bucket: Bucket | None
    detailed: bool
    """Whether its metrics name it."""
    request_changes: tuple[Change, ...]
    response_changes: Mapping[int, tuple[Change, ...]]


@dataclass(frozen=True, slots=True)
class LiveStage:
    account: str
    region: str
    api_id: str
    name: str
    variables: Mapping[str, str]
    router: Router[LiveRoute]
    cors: Cors | None
    access_logs: Mapping[str, str] | None
    disabled: bool
    """Whether the default endpoint is off."""
    bucket: Bucket | None


@dataclass(frozen=True, slots=True)
class LiveApi:
    account: str
    region: str
    stages: Mapping[str, LiveStage | None] = field(default_factory=dict)
    """None for a stage that nothing was deployed to."""


class LiveApis:
    def __init__(self, store: ApiStore) -> None:
        self._store = store
        self._apis: dict[str, LiveApi] = {}

    def find(self, api_id: str) -> LiveApi | None:
        if live := self._apis.get(api_id):
            return live
        if not (api := self._store.api(api_id)) or is_websocket(api.definition):
            return None
        stages = {stage.name: self._compile(api, stage) for stage in self._store.stages(api_id)}
        live = self._apis[api_id] = LiveApi(api.account, api.region, stages)
        return live

    def forget(self, api_id: str) -> None:
        """Something of the API has changed."""
        self._apis.pop(api_id, None)

    def _compile(self, api: Api, stage: Stage) -> LiveStage | None:
        deployment = self._store.deployment(api.id, stage.definition.get("DeploymentId", ""))
        if deployment is None:
            return None
        snapshot = deployment.snapshot
        router: Router[LiveRoute] = Router()
        for definition in snapshot["routes"].values():
            key = read_route_key(definition["RouteKey"])
            router.add(key, _compile_route(key, definition, snapshot, stage.definition))
        cors = snapshot["api"].get("CorsConfiguration")
        return LiveStage(
            api.account,
            api.region,
            api.id,
            stage.name,
            stage.definition.get("StageVariables", {}),
            router,
            Cors(cors) if cors else None,
            stage.definition.get("AccessLogSettings"),
            bool(snapshot["api"].get("DisableExecuteApiEndpoint")),
            make_bucket(stage.definition.get("DefaultRouteSettings", {})),
        )


def _compile_route(key: RouteKey, definition: Definition, snapshot: Mapping[str, Any], stage: Definition) -> LiveRoute:
    integration = snapshot["integrations"].get(definition.get("Target", "").removeprefix("integrations/"))
    authorizer_id = definition.get("AuthorizerId", "") if definition.get("AuthorizationType", "NONE") != "NONE" else ""
    settings = {**stage.get("DefaultRouteSettings", {}), **stage.get("RouteSettings", {}).get(key.text, {})}
    return LiveRoute(
        key,
        tuple(definition.get("AuthorizationScopes", ())),
        integration,
        authorizer_id,
        snapshot["authorizers"].get(authorizer_id) if authorizer_id else None,
        definition.get("AuthorizationType") == "AWS_IAM",
        make_bucket(stage.get("RouteSettings", {}).get(key.text, {})),
        bool(settings.get("DetailedMetricsEnabled")),
        read_request_mapping((integration or {}).get("RequestParameters", {})),
        read_response_mapping((integration or {}).get("ResponseParameters", {})),
    )


def make_bucket(settings: Mapping[str, Any]) -> Bucket | None:
    rate, burst = settings.get("ThrottlingRateLimit"), settings.get("ThrottlingBurstLimit")
    if rate is None and burst is None:
        return None
    return Bucket(10_000.0 if rate is None else rate, 5_000 if burst is None else burst)
