"""Deployments: immutable snapshots of a REST API. A change isn't live until it is deployed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from outcrop.services.apigateway.http_apis.errors import BadRequestException, NotFoundException
from outcrop.services.apigateway.http_apis.store import new_id
from outcrop.services.apigateway.rest_apis.finding import find_api, find_part, page, when
from outcrop.services.apigateway.rest_apis.patching import patched
from outcrop.services.apigateway.rest_apis.store import Definition, Part, RestApi, RestStore
from outcrop.services.contract import Context, Request, Result

if TYPE_CHECKING:
    from outcrop.services.apigateway.rest_apis.stages import RestStages


def take_snapshot(store: RestStore, api: RestApi) -> dict[str, Any]:
    """The API as it is now."""
    kinds: Mapping[str, Any] = {
        "resources": "resource",
        "models": "model",
        "validators": "validator",
        "authorizers": "authorizer",
        "gatewayResponses": "gateway_response",
    }
    parts = {name: {part.id: part.definition for part in store.parts(api.id, kind)} for name, kind in kinds.items()}
    return {"api": dict(api.definition), **parts}


def check_deployable(snapshot: Definition) -> None:
    methods = [m for resource in snapshot["resources"].values() for m in resource["resourceMethods"].values()]
    if not methods:
        raise BadRequestException("The REST API doesn't contain any methods")
    if not all("methodIntegration" in method for method in methods):
        raise NotFoundException("No integration defined for method")


class RestDeployments:
    def __init__(self, store: RestStore, stages: RestStages) -> None:
        self._store = store
        self._stages = stages

    async def create_deployment(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["restApiId"])
        name = request.get("stageName", "")
        snapshot = take_snapshot(self._store, api)
        check_deployable(snapshot)
        definition = {"snapshot": snapshot}
        if "description" in request:
            definition["description"] = request["description"]
        deployment = Part(api.id, "deployment", new_id(6), definition, time.time())
        self._stages.check_deployment(api, name, request)
        self._store.put(deployment)
        if name:
            self._stages.deploy(api, name, deployment.id, request)
        return _describe(deployment)

    async def get_deployment(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["restApiId"])
        deployment = find_part(self._store, api.id, "deployment", request["deploymentId"])
        return _describe(deployment, summary="apisummary" in request.get("embed", ()))

    async def get_deployments(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["restApiId"])
        return page(request, self._store.parts(api.id, "deployment"), _describe)

    async def update_deployment(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["restApiId"])
        deployment = find_part(self._store, api.id, "deployment", request["deploymentId"])
        definition = patched(deployment.definition, request.get("patchOperations", ()), {"/description": "text"})
        changed = Part(api.id, "deployment", deployment.id, definition, deployment.created_at)
        self._store.put(changed)
        return _describe(changed)

    async def delete_deployment(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["restApiId"])
        deployment = find_part(self._store, api.id, "deployment", request["deploymentId"])
        for stage in self._store.parts(api.id, "stage"):
            used = (stage.definition["deploymentId"], stage.definition.get("canarySettings", {}).get("deploymentId"))
            if deployment.id in used:
                raise BadRequestException("Active stages pointing to this deployment must be moved or deleted")
        self._store.delete(deployment)
        return {}


def _describe(deployment: Part, *, summary: bool = False) -> Result:
    result: dict[str, Any] = {"id": deployment.id, "createdDate": when(deployment.created_at)}
    if deployment.definition.get("description"):
        result["description"] = deployment.definition["description"]
    if summary:
        result["apiSummary"] = {
            resource["path"]: {
                name: {"authorizationType": m["authorizationType"], "apiKeyRequired": m["apiKeyRequired"]}
                for name, m in resource["resourceMethods"].items()
            }
            for resource in deployment.definition["snapshot"]["resources"].values()
            if resource["resourceMethods"]
        }
    return result
