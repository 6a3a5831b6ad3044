"""Custom model deployments: a custom model on demand, by the token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from outcrop.engines.inference.engine import EngineError
from outcrop.services.bedrock.capacity.serving import DEPLOYMENT as KIND
from outcrop.services.bedrock.customization.models import KIND as CUSTOM
from outcrop.services.bedrock.records import Record, Records, new_tags
from outcrop.services.contract import ConflictException, ResourceNotFoundException, ValidationException

if TYPE_CHECKING:
    from outcrop.jobs import Job, Jobs
    from outcrop.services.bedrock.capacity.serving import Serving
    from outcrop.services.contract import Context, Request, Result

RUNS = "bedrock-model-deployment"
"""The kind of background job that loads a deployment's model."""
_ON_AWS = ("amazon.nova-lite", "amazon.nova-2-lite", "amazon.nova-micro", "amazon.nova-pro", "meta.llama3-3-70b")


class Deployments:
    """`strict` allows the base models that AWS allows."""

    def __init__(self, records: Records, serving: Serving, jobs: Jobs, strict: bool) -> None:
        self._records = records
        self._serving = serving
        self._jobs = jobs
        self._strict = strict
        jobs.register(RUNS, self._run)

    async def create_custom_model_deployment(self, ctx: Context, request: Request) -> Result:
        if made := self._records.made_before(ctx, KIND, request, ValidationException):
            return {"customModelDeploymentArn": made.arn}
        name = request["modelDeploymentName"]
        if self._records.find(ctx, KIND, name):
            raise ValidationException(f"The model deployment name {name} is currently in use.")
        model = self._model(ctx, request["modelArn"])
        tags = new_tags(request.get("tags"))
        body = {"model": model.arn, "desired": model.arn, "description": request.get("description")}
        record = self._records.add(ctx, KIND, name, "Creating", body, request=request, tags=tags)
        self._jobs.submit(RUNS, {"record": record.id}, job_id=record.arn)
        return {"customModelDeploymentArn": record.arn}

    def _model(self, ctx: Context, arn: str) -> Record:
        model = self._records.find(ctx, CUSTOM, arn)
        if model is None:
            raise ResourceNotFoundException("The provided model identifier is invalid or doesn't exist.")
        if model.status != "Active":
            raise ValidationException(f"The custom model {arn} is {model.status}.")
        base = model.body.get("base", "")
        if self._strict and not base.startswith(_ON_AWS):
            raise ValidationException(f"On-demand deployment is not supported for custom models of {base}.")
        return model

    async def get_custom_model_deployment(self, ctx: Context, request: Request) -> Result:
        record = self._find(ctx, request)
        body = record.body
        details: dict[str, Any] = {
            "customModelDeploymentArn": record.arn,
            "modelDeploymentName": record.name,
            "modelArn": body["model"],
            "createdAt": record.created,
            "status": record.status,
            "lastUpdatedAt": record.updated,
        }
        if "update" in body:
            details["updateDetails"] = {"modelArn": body["desired"], "updateStatus": body["update"]}
        optional = {"description": body.get("description"), "failureMessage": body.get("failure")}
        return {**details, **{name: value for name, value in optional.items() if value is not None}}

    async def list_custom_model_deployments(self, ctx: Context, request: Request) -> Result:
        def wanted(record: Record) -> bool:
            return bool(request.get("modelArnEquals", record.body["model"]) == record.body["model"])

        return self._records.page(ctx, KIND, request, "modelDeploymentSummaries", _summary, wanted)

    async def update_custom_model_deployment(self, ctx: Context, request: Request) -> Result:
        record = self._find(ctx, request)
        if record.status != "Active" or record.body.get("update") == "Updating":
            raise ValidationException(f"The model deployment {record.arn} can't be updated now.")
        model = self._model(ctx, request["modelArn"])
        changed = self._records.change(record, desired=model.arn, update="Updating")
        self._jobs.submit(RUNS, {"record": record.id}, job_id=f"{record.arn} {changed.updated_at}")
        return {"customModelDeploymentArn": record.arn}

    async def delete_custom_model_deployment(self, ctx: Context, request: Request) -> Result:
        record = self._find(ctx, request)
        if record.status == "Creating" or record.body.get("update") == "Updating":
            raise ConflictException(f"The model deployment {record.arn} can't be deleted while it is being made.")
        await self._serving.release(record)
        self._records.delete(record)
        return {}

    async def _run(self, job: Job) -> None:
        """Load the model of a new or updated deployment."""
        record = self._records.by_id(KIND, job.payload["record"])
        if record is None or (record.status != "Creating" and record.body.get("update") != "Updating"):
            return
        updating = record.status != "Creating"
        try:
            await self._serving.load(record, desired=True)
        except EngineError as error:
            status, update = ("Active", "UpdateFailed") if updating else ("Failed", None)
            self._records.change(record, status, failure=str(error), update=update)
            return
        if updating and record.body["model"] != record.body["desired"]:
            await self._serving.release(record)
        update = "UpdateCompleted" if updating else None
        self._records.change(record, "Active", model=record.body["desired"], failure=None, update=update)

    def _find(self, ctx: Context, request: Request) -> Record:
        record = self._records.find(ctx, KIND, request["customModelDeploymentIdentifier"])
        if record is None:
            raise ResourceNotFoundException("The provided model deployment identifier is invalid or doesn't exist.")
        return record


def _summary(record: Record) -> dict[str, Any]:
    failure = record.body.get("failure")
    return {
        "customModelDeploymentArn": record.arn,
        "customModelDeploymentName": record.name,
        "modelArn": record.body["model"],
        "createdAt": record.created,
        "status": record.status,
        "lastUpdatedAt": record.updated,
        **({"failureMessage": failure} if failure else {}),
    }
