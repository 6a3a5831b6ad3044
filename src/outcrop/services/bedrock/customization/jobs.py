"""CreateModelCustomizationJob and what is asked about such jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from outcrop.services.bedrock import objects
from outcrop.services.bedrock.customization import hyperparameters
from outcrop.services.bedrock.customization.data import FINE_TUNING, PRE_TRAINING
from outcrop.services.bedrock.records import Record, Records, new_tags, time_of
from outcrop.services.contract import ConflictException, ResourceNotFoundException, ServiceError, ValidationException

if TYPE_CHECKING:
    from outcrop.jobs import Jobs
    from outcrop.services.bedrock.customization.bases import CustomizableBases
    from outcrop.services.contract import Context, Request, Result

KIND = "model-customization-job"
RUNS = "bedrock-customization"
"""The kind of background job."""
_STAGES = ("validation", "dataProcessing", "training")
_ENDED = ("Completed", "Failed", "Stopped")


class CustomizationJobs:
    def __init__(self, records: Records, bases: CustomizableBases, jobs: Jobs, strict: bool) -> None:
        self._records = records
        self._bases = bases
        self._jobs = jobs
        self._strict = strict

    async def create_model_customization_job(self, ctx: Context, request: Request) -> Result:
        if made := self._records.made_before(ctx, KIND, request, ConflictException):
            return {"jobArn": made.arn}
        customization = request.get("customizationType", FINE_TUNING)
        if customization not in (FINE_TUNING, PRE_TRAINING):
            raise ValidationException(
                f"Customization of the type {customization} is not available here. Use {FINE_TUNING} or {PRE_TRAINING}."
            )
        model, parent = self._bases.find(ctx, request["baseModelIdentifier"], customization)
        self._check_names(ctx, request)
        values = hyperparameters.read(model.id, request.get("hyperParameters") or {})
        await self._check_places(ctx, request)
        tags = new_tags(request.get("jobTags"))
        record = self._records.add(
            ctx,
            KIND,
            request["jobName"],
            "InProgress",
            {
                **{name: request[name] for name in _KEPT if name in request},
                "of": model.id,
                "parent": parent.arn if parent else None,
                "customizationType": customization,
                "hyperParameters": values,
                "customModelTags": new_tags(request.get("customModelTags")),
                "stages": {},
            },
            request=request,
            tags=tags,
        )
        self._jobs.submit(RUNS, {"record": record.id}, job_id=record.arn)
        ctx.notes["local-base"] = self._bases.weights(model)
        return {"jobArn": record.arn}

    def _check_names(self, ctx: Context, request: Request) -> None:
        if self._records.find(ctx, KIND, request["jobName"]):
            raise ConflictException("The provided job name is currently in use.")
        name = request["customModelName"]
        awaited = (job.body["customModelName"] for job in self._records.all(KIND, ctx) if job.status not in _ENDED)
        if self._records.find(ctx, "custom-model", name) or name in awaited:
            raise ConflictException("The provided custom model name is currently in use.")

    async def _check_places(self, ctx: Context, request: Request) -> None:
        """What the caller names must be there, and in strict mode the role too."""
        if "s3Uri" not in request["trainingDataConfig"]:
            raise ValidationException("trainingDataConfig.s3Uri is needed: invocation logs can't be trained on here.")
        if self._strict:
            try:
                await ctx.call("iam", "get_role", {"RoleName": request["roleArn"].rpartition("/")[2]})
            except ServiceError:
                raise ValidationException("Could not assume provided IAM role.") from None
        uris = [request["trainingDataConfig"]["s3Uri"]]
        uris += [validator["s3Uri"] for validator in request.get("validationDataConfig", {}).get("validators", ())]
        for uri in uris:
            await objects.check_readable(ctx, uri)
        await objects.check_writable(ctx, request["outputDataConfig"]["s3Uri"])

    async def get_model_customization_job(self, ctx: Context, request: Request) -> Result:
        record = self._find(ctx, request)
        body = record.body
        ctx.notes["local-base"] = self._bases.weights(self._bases.find(ctx, body["of"], body["customizationType"])[0])
        details: dict[str, Any] = {
            "jobArn": record.arn,
            "jobName": record.name,
            "outputModelName": body["customModelName"],
            "roleArn": body["roleArn"],
            "status": record.status,
            "statusDetails": _stages(record),
            "creationTime": record.created,
            "lastModifiedTime": record.updated,
            "baseModelArn": f"arn:aws:bedrock:{record.region}::foundation-model/{body['of']}",
            "hyperParameters": body["hyperParameters"],
            "trainingDataConfig": body["trainingDataConfig"],
            "validationDataConfig": body.get("validationDataConfig", {"validators": []}),
            "outputDataConfig": body["outputDataConfig"],
            "customizationType": body["customizationType"],
        }
        optional = {
            "outputModelArn": body.get("model"),
            "clientRequestToken": record.token,
            "failureMessage": body.get("failure"),
            "endTime": time_of(body["ended"]) if "ended" in body else None,
            "outputModelKmsKeyArn": body.get("customModelKmsKeyId"),
            "vpcConfig": body.get("vpcConfig"),
            **metrics(body),
        }
        return {**details, **{name: value for name, value in optional.items() if value is not None}}

    async def list_model_customization_jobs(self, ctx: Context, request: Request) -> Result:
        return self._records.page(ctx, KIND, request, "modelCustomizationJobSummaries", _summary)

    async def stop_model_customization_job(self, ctx: Context, request: Request) -> Result:
        record = self._find(ctx, request)
        if record.status != "InProgress":
            raise ConflictException(f"The job {record.arn} can't be stopped: its status is {record.status}.")
        self._records.change(record, "Stopping")
        self._jobs.request_stop(record.arn)
        return {}

    def _find(self, ctx: Context, request: Request) -> Record:
        record = self._records.find(ctx, KIND, request["jobIdentifier"])
        if record is None:
            raise ResourceNotFoundException("The provided job identifier is invalid or doesn't exist.")
        return record


_KEPT = (
    "customModelName",
    "roleArn",
    "customModelKmsKeyId",
    "trainingDataConfig",
    "validationDataConfig",
    "outputDataConfig",
    "vpcConfig",
)


def metrics(body: Any) -> dict[str, Any]:
    """The losses of a job or of the model that it made, where they are known."""
    found: dict[str, Any] = {}
    if "trainingLoss" in body:
        found["trainingMetrics"] = {"trainingLoss": body["trainingLoss"]}
    if body.get("validationLosses"):
        found["validationMetrics"] = [{"validationLoss": loss} for loss in body["validationLosses"]]
    return found


def _stages(record: Record) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for stage in _STAGES:
        status, began, changed = record.body["stages"].get(stage, ("NotStarted", None, None))
        told[f"{stage}Details"] = {
            "status": status,
            **({"creationTime": time_of(began), "lastModifiedTime": time_of(changed)} if began else {}),
        }
    return told


def _summary(record: Record) -> dict[str, Any]:
    body = record.body
    summary = {
        "jobArn": record.arn,
        "baseModelArn": f"arn:aws:bedrock:{record.region}::foundation-model/{body['of']}",
        "jobName": record.name,
        "status": record.status,
        "statusDetails": _stages(record),
        "lastModifiedTime": record.updated,
        "creationTime": record.created,
        "customModelName": body["customModelName"],
        "customizationType": body["customizationType"],
    }
    if "model" in body:
        summary["customModelArn"] = body["model"]
    return {**summary, "endTime": time_of(body["ended"])} if "ended" in body else summary
