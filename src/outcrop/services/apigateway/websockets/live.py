"""What stages of WebSocket APIs serve right now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from outcrop.services.apigateway.http_apis.live import Bucket, make_bucket
from outcrop.services.apigateway.http_apis.store import ApiStore, Definition, is_websocket


@dataclass(frozen=True, slots=True)
class SocketRoute:
    key: str
    definition: Definition
    integration: Definition | None
    answers: tuple[Definition, ...]
    """Of the integration."""
    two_way: bool
    """Whether the integration's answer goes back to the client."""
    bucket: Bucket | None


@dataclass(frozen=True, slots=True)
class SocketStage:
    account: str
    region: str
    api_id: str
    name: str
    variables: Mapping[str, str]
    selection: str
    """The route selection expression, without dollar and braces."""
    routes: Mapping[str, SocketRoute]
    authorizers: Mapping[str, Definition]

    @property
    def owner(self) -> tuple[str, str]:
        return self.account, self.region


class LiveSockets:
    """Read from the store at each connection: a connection keeps its deployment for its life."""

    def __init__(self, store: ApiStore) -> None:
        self._store = store

    def knows(self, api_id: str) -> bool:
        api = self._store.api(api_id)
        return api is not None and is_websocket(api.definition)

    def account(self, api_id: str) -> str:
        api = self._store.api(api_id)
        return api.account if api else ""

    def find(self, api_id: str, name: str) -> SocketStage | None:
        """None if there is no such stage, or nothing is deployed to it."""
        api, stage = self._store.api(api_id), self._store.stage(api_id, name)
        if api is None or stage is None or not is_websocket(api.definition):
            return None
        deployment = self._store.deployment(api_id, stage.definition.get("DeploymentId", ""))
        if deployment is None:
            return None
        snapshot = deployment.snapshot
        routes = {}
        for route_id, definition in snapshot["routes"].items():
            integration_id = definition.get("Target", "").removeprefix("integrations/")
            answers = snapshot.get("integration_responses", {})
            of_route = [key for key in snapshot.get("route_responses", {}) if key.startswith(f"{route_id}/")]
            own = stage.definition.get("RouteSettings", {}).get(definition["RouteKey"])
            routes[definition["RouteKey"]] = SocketRoute(
                definition["RouteKey"],
                definition,
                snapshot["integrations"].get(integration_id),
                tuple(one for key, one in answers.items() if key.startswith(f"{integration_id}/")),
                bool(of_route) and bool(definition.get("RouteResponseSelectionExpression")),
                make_bucket(own or stage.definition.get("DefaultRouteSettings", {})),
            )
        return SocketStage(
            api.account,
            api.region,
            api.id,
            name,
            stage.definition.get("StageVariables", {}),
            snapshot["api"]["RouteSelectionExpression"].strip("${}"),
            routes,
            snapshot["authorizers"],
        )
