"""CreateModelImportJob: weights in Hugging Face's layout, from a bucket to this machine."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outcrop.engines.inference.engine import EngineError
from outcrop.services.bedrock import objects
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
ARCHITECTURES = ("gpt_bigcode", "gpt_oss", "llama", "mistral", "mixtral", "qwen2", "qwen3")
"""`model_type` of what AWS imports and a text engine here can run."""
_FILE_BYTES = 200 << 30
_TAKEN = (".safetensors", ".json", ".txt", ".model", ".jinja")
_NEEDED = ("config.json", "tokenizer_config.json")


class ImportFault(Exception):
    """What lies in the bucket can't be imported; the text says why."""


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
        try:
            shutil.rmtree(weights, ignore_errors=True)
            await self._fetch(record, weights, job)
            found = await self._look(weights)
        except (ImportFault, ObjectError, EngineError) as error:
            shutil.rmtree(weights, ignore_errors=True)
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

    async def _fetch(self, record: Record, weights: Path, job: Job) -> None:
        context = objects.as_role(self._deps, record)
        uri = record.body["modelDataSource"]["s3DataSource"]["s3Uri"].rstrip("/") + "/"
        bucket, prefix = objects.split(uri)
        keys = [key for key in await objects.list_keys(context, uri) if key.endswith(_TAKEN)]
        names = {key[len(prefix) :]: key for key in keys if "/" not in key[len(prefix) :]}
        missing = [name for name in _NEEDED if name not in names]
        if not any(name.endswith(".safetensors") for name in names):
            missing.append("*.safetensors")
        if missing:
            raise ImportFault(f"{uri} lacks {', '.join(missing)}. Weights must be in the Hugging Face layout.")
        for number, (name, key) in enumerate(sorted(names.items())):
            job.progress(stage="fetch", done=number, total=len(names), file=name)
            await objects.fetch(context, f"s3://{bucket}/{key}", weights / name, _FILE_BYTES)

    async def _look(self, weights: Path) -> dict[str, Any]:
        """Architecture, context and more; loads the weights once in a child process, to know that they can be."""
        from outcrop.engines.inference.transformers.engine import inspect

        try:
            architecture = json.loads(await asyncio.to_thread((weights / "config.json").read_text))["model_type"]
        except (ValueError, KeyError, TypeError, UnicodeDecodeError):
            raise ImportFault("config.json is not JSON with a model_type.") from None
        if architecture not in ARCHITECTURES:
            known = ", ".join(ARCHITECTURES)
            raise ImportFault(f"The model architecture {architecture!r} is not supported. Supported are: {known}.")
        seen = await inspect(weights, self._deps.settings.model_memory)
        return {"architecture": architecture, "context": seen.context, "instruct": seen.is_instructed}


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
