"""Provisioned throughput: model units that are paid for by the hour until they are deleted, used or not."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from outcrop.engines.inference.engine import EngineError
from outcrop.services.bedrock.capacity.serving import PROVISIONED as KIND
from outcrop.services.bedrock.customization.models import KIND as CUSTOM
from outcrop.services.bedrock.records import Record, Records, new_tags, time_of
from outcrop.services.contract import ConflictException, ResourceNotFoundException, ValidationException

if TYPE_CHECKING:
    from outcrop.jobs import Job, Jobs
    from outcrop.services.bedrock.capacity.meter import Meter
    from outcrop.services.bedrock.capacity.serving import Serving
    from outcrop.services.bedrock.catalogue import Catalogue
    from outcrop.services.contract import Context, Request, Result

RUNS = "bedrock-provisioned-throughput"
"""The kind of background job that starts model units."""
METERED = "provisioned-throughput"
_DAYS = {"OneMonth": 30, "SixMonths": 180}


class ProvisionedThroughput:
    def __init__(self, catalogue: Catalogue, records: Records, serving: Serving, meter: Meter, jobs: Jobs) -> None:
        self._catalogue = catalogue
        self._records = records
        self._serving = serving
        self._meter = meter
        self._jobs = jobs
        jobs.register(RUNS, self._run)

    async def create_provisioned_model_throughput(self, ctx: Context, request: Request) -> Result:
        if made := self._records.made_before(ctx, KIND, request, ValidationException):
            return {"provisionedModelArn": made.arn}
        name = request["provisionedModelName"]
        if self._records.find(ctx, KIND, name):
            raise ValidationException(f"The provisioned model name {name} is currently in use.")
        arn, base = self._model(ctx, request["modelId"])
        term = request.get("commitmentDuration")
        ends = time.time() + _DAYS[term] * 86_400 if term else None
        tags = new_tags(request.get("tags"))
        body = {"model": arn, "desired": arn, "base": base, "units": request["modelUnits"], "term": term, "ends": ends}
        record = self._records.add(ctx, KIND, name, "Creating", body, request=request, tags=tags)
        self._jobs.submit(RUNS, {"record": record.id}, job_id=record.arn)
        return {"provisionedModelArn": record.arn}

    def _model(self, ctx: Context, identifier: str) -> tuple[str, str]:
        """ARN of a custom or foundation model, and the id of the latter. Raises AWS's errors."""
        if (custom := self._records.find(ctx, CUSTOM, identifier)) is not None:
            if custom.status != "Active":
                raise ValidationException(f"The custom model {custom.arn} is {custom.status}.")
            return custom.arn, self._serving.foundation(custom).id
        if ":custom-model/" in identifier:
            raise ResourceNotFoundException("The provided model identifier is invalid or doesn't exist.")
        model_id = identifier.rpartition("foundation-model/")[2]
        model = self._catalogue.models.get(model_id)
        if model is None:
            raise ValidationException("The provided model identifier is invalid.")
        variants = [one for one in self._catalogue.models.values() if one.id.startswith(f"{model_id}:")]
        if not any("PROVISIONED" in one.inference for one in (model, *variants)):
            raise ValidationException(f"Provisioned throughput is not supported for the model {model_id}.")
        return model.arn(ctx.region), model.id

    async def get_provisioned_model_throughput(self, ctx: Context, request: Request) -> Result:
        return _describe(self._find(ctx, request))

    async def list_provisioned_model_throughputs(self, ctx: Context, request: Request) -> Result:
        def wanted(record: Record) -> bool:
            return bool(request.get("modelArnEquals", record.body["model"]) == record.body["model"])

        return self._records.page(ctx, KIND, request, "provisionedModelSummaries", _summary, wanted)

    async def update_provisioned_model_throughput(self, ctx: Context, request: Request) -> Result:
        record = self._find(ctx, request)
        if record.status != "InService":
            raise ValidationException(f"The provisioned model {record.arn} can't be updated: it is {record.status}.")
        name = request.get("desiredProvisionedModelName", record.name)
        if name != record.name and self._records.find(ctx, KIND, name):
            raise ValidationException(f"The provisioned model name {name} is currently in use.")
        arn = record.body["model"]
        if "desiredModelId" in request:
            arn, base = self._model(ctx, request["desiredModelId"])
            if base.split(":")[0] != record.body["base"].split(":")[0]:
                raise ValidationException(
                    f"A provisioned model can be moved only between models of the same base, {record.body['base']}."
                )
        if name != record.name:
            self._records.rename(record, name)
        if arn != record.body["model"]:
            changed = self._records.change(record, "Updating", desired=arn)
            self._jobs.submit(RUNS, {"record": record.id}, job_id=f"{record.arn} {changed.updated_at}")
        return {}

    async def delete_provisioned_model_throughput(self, ctx: Context, request: Request) -> Result:
        record = self._find(ctx, request)
        if record.body.get("ends", 0) > time.time():
            raise ConflictException(
                f"The provisioned model {record.arn} can't be deleted before its commitment term is over, on "
                f"{time_of(record.body['ends']):%Y-%m-%d}."
            )
        if record.status in ("Creating", "Updating"):
            raise ConflictException(f"The provisioned model {record.arn} can't be deleted: it is {record.status}.")
        self._meter.stop(record.arn)
        await self._serving.release(record)
        self._records.delete(record)
        return {}

    async def _run(self, job: Job) -> None:
        """Start the model units of a new or updated throughput; from then on it is paid for."""
        record = self._records.by_id(KIND, job.payload["record"])
        if record is None or record.status not in ("Creating", "Updating"):
            return
        try:
            await self._serving.load(record, desired=True)
        except EngineError as error:
            failed = {"failure": str(error), "desired": record.body["model"]}
            self._records.change(record, "Failed" if record.status == "Creating" else "InService", **failed)
            return
        if record.body["model"] != record.body["desired"]:
            await self._serving.release(record)
        self._records.change(record, "InService", model=record.body["desired"], failure=None)
        self._meter.start(record, METERED, record.body["base"], record.body["units"], record.body.get("term"))

    def _find(self, ctx: Context, request: Request) -> Record:
        record = self._records.find(ctx, KIND, request["provisionedModelId"])
        if record is None:
            raise ResourceNotFoundException("The provided provisioned model identifier is invalid or doesn't exist.")
        return record


def _summary(record: Record) -> dict[str, Any]:
    body = record.body
    summary = {
        "provisionedModelName": record.name,
        "provisionedModelArn": record.arn,
        "modelArn": body["model"],
        "desiredModelArn": body["desired"],
        "foundationModelArn": f"arn:aws:bedrock:{record.region}::foundation-model/{body['base']}",
        "modelUnits": body["units"],
        "desiredModelUnits": body["units"],
        "status": record.status,
        "creationTime": record.created,
        "lastModifiedTime": record.updated,
    }
    if body.get("term"):
        summary |= {"commitmentDuration": body["term"], "commitmentExpirationTime": time_of(body["ends"])}
    return summary


def _describe(record: Record) -> dict[str, Any]:
    failure = record.body.get("failure")
    return {**_summary(record), **({"failureMessage": failure} if failure else {})}
