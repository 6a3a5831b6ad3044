"""Deployments: what a stage serves is a snapshot; a change isn't live until it is deployed."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from outcrop.services.apigateway.http_apis.apis import find_api
from outcrop.services.apigateway.http_apis.errors import BadRequestException, NotFoundException
from outcrop.services.apigateway.http_apis.live import LiveApis
from outcrop.services.apigateway.http_apis.paging import page
from outcrop.services.apigateway.http_apis.store import Api, ApiStore, Deployment, new_id
from outcrop.services.contract import Context, Request, Result

AUTOMATIC = "Automatic deployment triggered by changes to the Api configuration"
KEPT_AUTOMATIC = 10


def find_deployment(store: ApiStore, api: Api, deployment_id: str) -> Deployment:
    if not (deployment := store.deployment(api.id, deployment_id)):
        raise NotFoundException(f"Unable to find Deployment by ID {deployment_id} within the scope of API {api.id}")
    return deployment


class Deployer:
    """Takes snapshots and makes them live."""

    def __init__(self, store: ApiStore, live: LiveApis) -> None:
        self._store = store
        self._live = live

    def deploy(self, api: Api, description: str, *, automatic: bool = False) -> Deployment:
        """A snapshot of the API as it is now. Raises BadRequestException if it has no route."""
        routes = self._store.parts(api.id, "route")
        if not routes:
            raise BadRequestException("At least one route is required before deploying the Api.")
        current = self._store.api(api.id) or api
        snapshot = {
            "api": current.definition,
            "routes": {part.id: part.definition for part in routes},
            "integrations": {part.id: part.definition for part in self._store.parts(api.id, "integration")},
            "authorizers": {part.id: part.definition for part in self._store.parts(api.id, "authorizer")},
            "route_responses": {part.id: part.definition for part in self._store.parts(api.id, "route_response")},
            "integration_responses": {
                part.id: part.definition for part in self._store.parts(api.id, "integration_response")
            },
        }
        deployment = Deployment(api.id, new_id(6), description, automatic, snapshot, time.time())
        self._store.add_deployment(deployment)
        return deployment

    def point(self, api: Api, stage_name: str, deployment: Deployment) -> None:
        """Let a stage serve a deployment."""
        stage = self._store.stage(api.id, stage_name)
        if stage is None:
            raise NotFoundException(f"Unable to find Stage by name {stage_name} within the provided API {api.id}")
        self._store.set_stage(stage, {**stage.definition, "DeploymentId": deployment.id})
        self._live.forget(api.id)

    def changed(self, api: Api) -> None:
        """Something of the API has changed: deploy it to the stages that want that by themselves."""
        automatic = [stage for stage in self._store.stages(api.id) if stage.definition.get("AutoDeploy")]
        if automatic:
            try:
                deployment = self.deploy(api, AUTOMATIC, automatic=True)
            except BadRequestException as error:
                news = {"LastDeploymentStatusMessage": f"Deployment attempt failed: {error.message}"}
            else:
                news = {
                    "DeploymentId": deployment.id,
                    "LastDeploymentStatusMessage": f"Successfully deployed stage with deployment ID '{deployment.id}'",
                }
            for stage in automatic:
                self._store.set_stage(stage, {**stage.definition, **news})
            used = [stage.definition.get("DeploymentId", "") for stage in self._store.stages(api.id)]
            self._store.prune_automatic(api.id, used, KEPT_AUTOMATIC)
        self._live.forget(api.id)


class Deployments:
    def __init__(self, store: ApiStore, deployer: Deployer) -> None:
        self._store = store
        self._deployer = deployer

    async def create_deployment(self, ctx: Context, request: Request) -> Result:
        api, stage_name = find_api(self._store, ctx, request["ApiId"]), request.get("StageName")
        if stage_name and (stage := self._store.stage(api.id, stage_name)) and stage.definition.get("AutoDeploy"):
            raise BadRequestException("Deployment can't be created for a stage with autoDeploy enabled")
        if stage_name and not self._store.stage(api.id, stage_name):
            raise NotFoundException(f"Unable to find Stage by name {stage_name} within the provided API {api.id}")
        deployment = self._deployer.deploy(api, request.get("Description", ""))
        if stage_name:
            self._deployer.point(api, stage_name, deployment)
        return _describe(deployment)

    async def get_deployment(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["ApiId"])
        return _describe(find_deployment(self._store, api, request["DeploymentId"]))

    async def get_deployments(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["ApiId"])
        return page(request, self._store.deployments(api.id), _describe)

    async def update_deployment(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["ApiId"])
        deployment = find_deployment(self._store, api, request["DeploymentId"])
        self._store.describe_deployment(deployment, request.get("Description", deployment.description))
        return _describe(find_deployment(self._store, api, deployment.id))

    async def delete_deployment(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["ApiId"])
        deployment = find_deployment(self._store, api, request["DeploymentId"])
        if any(stage.definition.get("DeploymentId") == deployment.id for stage in self._store.stages(api.id)):
            raise BadRequestException("Active stages pointing to this deployment must be moved or deleted")
        self._store.delete_deployment(deployment)
        return {}


def _describe(deployment: Deployment) -> Result:
    described = {
        "DeploymentId": deployment.id,
        "DeploymentStatus": "DEPLOYED",
        "AutoDeployed": deployment.automatic,
        "CreatedDate": datetime.fromtimestamp(deployment.created_at, UTC),
    }
    return {**described, "Description": deployment.description} if deployment.description else described
