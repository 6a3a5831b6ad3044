"""CreateModelInvocationJob and what is asked about such jobs."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING, Any

from outcrop.jobs import Stopped
from outcrop.services.bedrock import objects
from outcrop.services.bedrock.batch.runs import BatchFault, BatchRun, Counts
from outcrop.services.bedrock.objects import ObjectError
from outcrop.services.bedrock.records import Record, Records, new_tags, time_of
from outcrop.services.contract import ConflictException, ResourceNotFoundException, ServiceError, ValidationException

if TYPE_CHECKING:
    from outcrop.jobs import Job
    from outcrop.services.bedrock.catalogue.targets import Targets
    from outcrop.services.contract import Context, Deps, Request, Result

KIND = "model-invocation-job"
RUNS = "bedrock-batch"
"""The kind of background job."""
_UNDER_WAY = ("Submitted", "Validating", "Scheduled", "InProgress")
_HOURS = 24
_KEPT = ("roleArn", "modelId", "inputDataConfig", "outputDataConfig", "vpcConfig", "timeoutDurationInHours")


class InvocationJobs:
    def __init__(self, deps: Deps, records: Records, targets: Targets) -> None:
        self._deps = deps
        self._records = records
        self._targets = targets
        deps.jobs.register(RUNS, self._run)

    async def create_model_invocation_job(self, ctx: Context, request: Request) -> Result:
        if made := self._records.made_before(ctx, KIND, request, ConflictException):
            return {"jobArn": made.arn}
        if self._records.find(ctx, KIND, request["jobName"]):
            raise ConflictException("The provided job name is currently in use.")
        source, target = _places(request)
        self._targets.resolve(ctx, request["modelId"])
        await self._check(ctx, source, target)
        tags = new_tags(request.get("tags"))
        record = self._records.add(
            ctx,
            KIND,
            request["jobName"],
            "Submitted",
            {
                **{name: request[name] for name in _KEPT if name in request},
                "how": request.get("modelInvocationType", "InvokeModel"),
                "expires": time.time() + request.get("timeoutDurationInHours", _HOURS) * 3600,
            },
            request=request,
            tags=tags,
        )
        self._deps.jobs.submit(RUNS, {"record": record.id}, job_id=record.arn)
        return {"jobArn": record.arn}

    async def _check(self, ctx: Context, source: str, target: str) -> None:
        if self._deps.settings.strict and not target.endswith("/"):
            raise ValidationException(f"The output S3 URI {target} must end with a slash.")
        try:
            keys = await objects.list_keys(ctx, source)
        except ObjectError:
            keys = []
        if not keys:
            bucket, key = objects.split(source)
            raise ValidationException(
                f"Could not validate GetObject permissions to access Amazon S3 bucket: {bucket} at key {key}"
            )
        await objects.check_writable(ctx, target)

    async def get_model_invocation_job(self, ctx: Context, request: Request) -> Result:
        return _describe(self._find(ctx, request))

    async def list_model_invocation_jobs(self, ctx: Context, request: Request) -> Result:
        return self._records.page(ctx, KIND, request, "invocationJobSummaries", _describe)

    async def stop_model_invocation_job(self, ctx: Context, request: Request) -> Result:
        record = self._find(ctx, request)
        if record.status not in _UNDER_WAY:
            raise ConflictException(f"The job {record.arn} can't be stopped: its status is {record.status}.")
        self._records.change(record, "Stopping")
        self._deps.jobs.request_stop(record.arn)
        return {}

    async def _run(self, job: Job) -> None:
        """A background job's handler; after a crash it goes on after the last record that was answered."""
        record = self._records.by_id(KIND, job.payload["record"])
        if record is None or record.status not in (*_UNDER_WAY, "Stopping"):
            return
        directory = self._deps.data / "bedrock" / "batch" / record.id
        run = BatchRun(self._deps, record, directory, job, lambda counts: self._note(record, counts))
        try:
            self._status(record, "Validating")
            await run.validate()
            self._status(record, "InProgress")
            ended = await run.answer()
        except Stopped:
            await run.write()
            self._records.change(record, "Stopped", ended=time.time())
            raise
        except (BatchFault, ObjectError) as error:
            self._records.change(record, "Failed", message=str(error), ended=time.time())
        except ServiceError as error:
            self._records.change(record, "Failed", message=error.message or error.code, ended=time.time())
        else:
            await run.write()
            self._records.change(record, ended, ended=time.time())
        shutil.rmtree(directory, ignore_errors=True)

    def _status(self, record: Record, status: str) -> None:
        current = self._records.by_id(KIND, record.id)
        if current is not None and current.status != "Stopping":
            self._records.change(current, status)

    def _note(self, record: Record, counts: Counts) -> None:
        self._records.change(record, counts=counts.as_dict())

    def _find(self, ctx: Context, request: Request) -> Record:
        record = self._records.find(ctx, KIND, request["jobIdentifier"])
        if record is None:
            raise ResourceNotFoundException("The provided job identifier is invalid or doesn't exist.")
        return record


def _places(request: Request) -> tuple[str, str]:
    """The URIs of input and output. Raises ValidationException."""
    source = request["inputDataConfig"].get("s3InputDataConfig")
    target = request["outputDataConfig"].get("s3OutputDataConfig")
    if source is None or target is None:
        raise ValidationException("Both inputDataConfig and outputDataConfig need the place in S3.")
    return str(source["s3Uri"]), str(target["s3Uri"])


def _describe(record: Record) -> dict[str, Any]:
    body = record.body
    counts = body.get("counts", {})
    details: dict[str, Any] = {
        "jobArn": record.arn,
        "jobName": record.name,
        "modelId": body["modelId"],
        "roleArn": body["roleArn"],
        "status": record.status,
        "submitTime": record.created,
        "lastModifiedTime": record.updated,
        "inputDataConfig": body["inputDataConfig"],
        "outputDataConfig": body["outputDataConfig"],
        "timeoutDurationInHours": body.get("timeoutDurationInHours", _HOURS),
        "jobExpirationTime": time_of(body["expires"]),
        "modelInvocationType": body["how"],
        **{name: counts[name] for name in Counts.COUNTED if name in counts},
    }
    optional = {
        "clientRequestToken": record.token,
        "message": body.get("message"),
        "endTime": time_of(body["ended"]) if "ended" in body else None,
        "vpcConfig": body.get("vpcConfig"),
    }
    return {**details, **{name: value for name, value in optional.items() if value is not None}}
