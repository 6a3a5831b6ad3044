"""CreateModelImportJob: weights in Hugging Face's layout, from a bucket to this machine."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from outcrop.engines.inference.engine import EngineError
from outcrop.services.bedrock import objects
from outcrop.services.bedrock.imports.weights import ImportFault, bring
from outcrop.services.bedrock.objects import ObjectError
from outcrop.services.bedrock.records import Record, Records, new_tags, time_of
from outcrop.services.contract import ConflictException, ResourceNotFoundException, ValidationException

if TYPE_CHECKING:
    from outcrop.jobs import Job
    from outcrop.services.bedrock.capacity.meter import Meter
    from outcrop.services.contract import Context, Deps, Request, Result

KIND = "model-import-job"
RUNS = "bedrock-model-import"
"""The kind of background job."""
MODEL = "imported-model"


class ImportJobs:
    def __init__(self, deps: Deps, records: Records, meter: Meter) -> None:
        self._deps = deps
        self._records = records
        self._meter = meter
        deps.jobs.register(RUNS, self._run)

    async def create_model_import_job(self, ctx: Context, request: Request) -> Result:
        if made := self._records.made_before(ctx, KIND, request, ConflictException):
            return {"jobArn": made.arn}
        if self._records.find(ctx, KIND, request["jobName"]):
            raise ConflictException("The provided job name is currently in use.")
        name = request["importedModelName"]
        awaited = (job.body["importedModelName"] for job in self._records.all(KIND, ctx) if job.status == "InProgress")
        if self._records.find(ctx, MODEL, name) or name in awaited:
            raise ConflictException("The provided imported model name is currently in use.")
        if "s3DataSource" not in request["modelDataSource"]:
            raise ValidationException("modelDataSource.s3DataSource is needed.")
        tags, model_tags = new_tags(request.get("jobTags")), new_tags(request.get("importedModelTags"))
        kept = ("importedModelName", "roleArn", "modelDataSource", "vpcConfig", "importedModelKmsKeyId")
        body = {**{name: request[name] for name in kept if name in request}, "importedModelTags": model_tags}
        record = self._records.add(ctx, KIND, request["jobName"], "InProgress", body, request=request, tags=tags)
        self._deps.jobs.submit(RUNS, {"record": record.id}, job_id=record.arn)
        return {"jobArn": record.arn}

    async def get_model_import_job(self, ctx: Context, request: Request) -> Result:
        record = self._records.find(ctx, KIND, request["jobIdentifier"])
        if record is None:
            raise ResourceNotFoundException("The provided job identifier is invalid or doesn't exist.")
        optional = {
            "failureMessage": record.body.get("failure"),
            "vpcConfig": record.body.get("vpcConfig"),
            "importedModelKmsKeyArn": record.body.get("importedModelKmsKeyId"),
        }
        return {
            **_summary(record),
            "roleArn": record.body["roleArn"],
            "modelDataSource": record.body["modelDataSource"],
            **{name: value for name, value in optional.items() if value is not None},
        }

    async def list_model_import_jobs(self, ctx: Context, request: Request) -> Result:
        return self._records.page(ctx, KIND, request, "modelImportJobSummaries", _summary)

    async def _run(self, job: Job) -> None:
        """Fetch, look at and keep the weights; done again from the start after a crash."""
        record = self._records.by_id(KIND, job.payload["record"])
        if record is None or record.status != "InProgress":
            return
        weights = self._deps.data / "bedrock" / "imported-models" / record.id
        if made := next((one for one in self._records.all(MODEL) if one.body.get("job") == record.arn), None):
            self._records.change(record, "Completed", model=made.arn, ended=time.time())
            return
        try:
            found = await bring(self._deps, record, record.body["modelDataSource"], weights, job)
        except (ImportFault, ObjectError, EngineError) as error:
            self._records.change(record, "Failed", failure=str(error), ended=time.time())
            return
        model = self._records.add(
            objects.as_role(self._deps, record),
            MODEL,
            record.body["importedModelName"],
            "Active",
            {
                "weights": str(weights),
                "job": record.arn,
                "jobName": record.name,
                "source": record.body["modelDataSource"],
                "key": record.body.get("importedModelKmsKeyId"),
                **found,
            },
            tags=record.body["importedModelTags"],
        )
        self._meter.start(model, "imported-model-storage", found["architecture"], 1)
        self._records.change(record, "Completed", model=model.arn, ended=time.time())


def _summary(record: Record) -> dict[str, Any]:
    summary = {
        "jobArn": record.arn,
        "jobName": record.name,
        "importedModelName": record.body["importedModelName"],
        "status": record.status,
        "creationTime": record.created,
        "lastModifiedTime": record.updated,
    }
    if "model" in record.body:
        summary["importedModelArn"] = record.body["model"]
    return {**summary, "endTime": time_of(record.body["ended"])} if "ended" in record.body else summary
