"""CreateCustomModel: weights from a bucket as a custom model, which is served by provisioned throughput."""

from __future__ import annotations

from typing import TYPE_CHECKING

from outcrop.engines.inference.engine import EngineError
from outcrop.services.bedrock.imports.weights import ImportFault, bring
from outcrop.services.bedrock.objects import ObjectError
from outcrop.services.bedrock.records import Records, new_tags
from outcrop.services.contract import ConflictException, ValidationException

if TYPE_CHECKING:
    from outcrop.jobs import Job
    from outcrop.services.bedrock.capacity.meter import Meter
    from outcrop.services.contract import Context, Deps, Request, Result

KIND = "custom-model"
RUNS = "bedrock-custom-model"
"""The kind of background job."""


class CustomModelImports:
    def __init__(self, deps: Deps, records: Records, meter: Meter) -> None:
        self._deps = deps
        self._records = records
        self._meter = meter
        deps.jobs.register(RUNS, self._run)

    async def create_custom_model(self, ctx: Context, request: Request) -> Result:
        if made := self._records.made_before(ctx, KIND, request, ConflictException):
            return {"modelArn": made.arn}
        source = request.get("modelSourceConfig") or {}
        if "s3DataSource" not in source or "customModelDataSource" in request:
            raise ValidationException(
                "modelSourceConfig.s3DataSource is needed: packages of SageMaker AI are not available here."
            )
        if self._records.find(ctx, KIND, request["modelName"]):
            raise ConflictException("The provided custom model name is currently in use.")
        tags = new_tags(request.get("modelTags"))
        body = {
            "of": "imported",
            "customizationType": "IMPORTED",
            "source": source,
            "roleArn": request.get("roleArn", ctx.principal.arn),
            "customModelKmsKeyId": request.get("modelKmsKeyArn"),
        }
        record = self._records.add(ctx, KIND, request["modelName"], "Creating", body, request=request, tags=tags)
        self._deps.jobs.submit(RUNS, {"record": record.id}, job_id=record.arn)
        return {"modelArn": record.arn}

    async def _run(self, job: Job) -> None:
        record = self._records.by_id(KIND, job.payload["record"])
        if record is None or record.status != "Creating":
            return
        weights = self._deps.data / "bedrock" / "custom-models" / record.id
        try:
            found = await bring(self._deps, record, record.body["source"], weights, job)
        except (ImportFault, ObjectError, EngineError) as error:
            self._records.change(record, "Failed", failure=str(error))
            return
        self._records.change(record, "Active", weights=str(weights), **found)
        self._meter.start(record, "custom-model-storage", found["architecture"], 1)
