"""Runs customization jobs: data from S3, checks, training, metrics to S3, and the custom model."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from outcrop.engines.inference.engine import EngineError
from outcrop.engines.tuning.bases import Bases
from outcrop.engines.tuning.plan import Plan
from outcrop.engines.tuning.tuner import Trained, Tuner, TuningError
from outcrop.jobs import Stopped
from outcrop.services.bedrock import objects
from outcrop.services.bedrock.customization import data, hyperparameters, metrics
from outcrop.services.bedrock.customization.jobs import KIND
from outcrop.services.bedrock.objects import ObjectError

if TYPE_CHECKING:
    from outcrop.jobs import Job
    from outcrop.services.bedrock.capacity.meter import Meter
    from outcrop.services.bedrock.customization.bases import CustomizableBases
    from outcrop.services.bedrock.records import Record, Records
    from outcrop.services.contract import Context, Deps

MODEL = "custom-model"
_TRAINING_BYTES = 1 << 30
_VALIDATION_BYTES = 100 << 20
Value = TypeVar("Value")


class CustomizationRuns:
    def __init__(self, deps: Deps, records: Records, bases: CustomizableBases, meter: Meter) -> None:
        self._deps = deps
        self._records = records
        self._bases = bases
        self._meter = meter
        self._local = Bases(deps.settings.cache)
        self._tuner = Tuner(deps.settings.model_memory, deps.settings.training_hours)

    async def run(self, job: Job) -> None:
        """A background job's handler; after a crash it goes on from the last checkpoint."""
        record = self._records.by_id(KIND, job.payload["record"])
        if record is None or record.status not in ("InProgress", "Stopping"):
            return
        run = _Run(self._records, record, self._deps.data / "bedrock" / "customization" / record.id)
        try:
            model = await _unless_stopped(job, self._train(job, run))
        except Stopped:
            run.end("Stopped")
            shutil.rmtree(run.directory, ignore_errors=True)
            raise
        except (data.DataError, ObjectError, TuningError, EngineError) as error:
            run.end("Failed", failure=str(error))
        else:
            run.end("Completed", model=model.arn)
        shutil.rmtree(run.directory, ignore_errors=True)

    async def _train(self, job: Job, run: _Run) -> Record:
        record, context = run.record, objects.as_role(self._deps, run.record)
        if made := next((one for one in self._records.all(MODEL) if one.body.get("job") == record.arn), None):
            return made  # an earlier run died just after it had made it
        run.stage("validation", "InProgress")
        train, validations = await self._prepare(context, run)
        run.stage("validation", "Completed")
        run.stage("dataProcessing", "InProgress")
        base = await self._base(record, job)
        trained = await self._tuner.train(_plan(record, run.directory, base, train, validations), run.hear(job))
        run.stage("training", "Completed")
        await _write_metrics(context, record, trained)
        return self._keep(run, trained)

    async def _prepare(self, context: Context, run: _Run) -> tuple[Path, list[Path]]:
        body, strict = run.record.body, self._deps.settings.strict
        uris = [body["trainingDataConfig"]["s3Uri"]]
        uris += [validator["s3Uri"] for validator in body.get("validationDataConfig", {}).get("validators", ())]
        prepared: list[Path] = []
        for number, uri in enumerate(uris):
            raw, ready = run.directory / f"{number}.raw", run.directory / f"{number}.jsonl"
            await objects.fetch(context, uri, raw, _VALIDATION_BYTES if number else _TRAINING_BYTES)
            limits = data.limits_of(body["of"], validation=number > 0, strict=strict)
            name = uri.rpartition("/")[2]
            await asyncio.to_thread(data.convert, raw, ready, name, body["customizationType"], limits)
            raw.unlink()
            prepared.append(ready)
        return prepared[0], prepared[1:]

    async def _base(self, record: Record, job: Job) -> Path:
        parent = record.body.get("parent")
        if parent and (custom := self._records.by_arn(parent)):
            return Path(custom.body["weights"])
        context = objects.as_role(self._deps, record)
        model, _ = self._bases.find(context, record.body["of"], record.body["customizationType"])
        return await self._local.find(self._bases.weights(model), lambda said: job.progress(stage="base", **said))

    def _keep(self, run: _Run, trained: Trained) -> Record:
        """Make the custom model; its weights move to a place of their own."""
        record = run.record
        body = record.body
        context = objects.as_role(self._deps, record)
        losses: dict[str, Any] = {
            "trainingLoss": trained.training[-1][2],
            "validationLosses": [points[-1][2] for points in trained.validation if points],
        }
        weights = self._deps.data / "bedrock" / "custom-models" / record.id
        weights.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(weights, ignore_errors=True)
        trained.adapter.rename(weights)
        model = self._records.add(
            context,
            MODEL,
            body["customModelName"],
            "Active",
            {
                "of": body["of"],
                "base": body["of"],
                "parent": body.get("parent"),
                "weights": str(weights),
                "job": record.arn,
                "jobName": record.name,
                **{name: body[name] for name in _INHERITED if name in body},
                **losses,
            },
            tags=body["customModelTags"],
        )
        epochs = trained.training[-1][1] + 1
        run.record = self._records.change(record, **losses, trainedTokens=trained.tokens * epochs)
        self._meter.note(record, "training-tokens", body["of"], trained.tokens * epochs)
        self._meter.start(model, "custom-model-storage", body["of"], 1)
        return model


_INHERITED = (
    "hyperParameters",
    "customizationType",
    "trainingDataConfig",
    "validationDataConfig",
    "outputDataConfig",
    "customModelKmsKeyId",
)


class _Run:
    """One job's row and directory."""

    def __init__(self, records: Records, record: Record, directory: Path) -> None:
        self._records = records
        self.record = record
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)

    def stage(self, name: str, status: str) -> None:
        began = self.record.body["stages"].get(name, (None, time.time()))[1]
        stages = {**self.record.body["stages"], name: (status, began, time.time())}
        self.record = self._records.change(self.record, stages=stages)

    def end(self, status: str, **body: Any) -> None:
        under_way = [name for name, (state, *_) in self.record.body["stages"].items() if state == "InProgress"]
        for name in under_way:
            self.stage(name, status)
        self.record = self._records.change(self.record, status, ended=time.time(), **body)

    def hear(self, job: Job) -> Any:
        """Progress of the training, as events of the job and as stages of the row."""

        def hear(said: dict[str, Any]) -> None:
            if said.get("stage") == "training":
                self.stage("dataProcessing", "Completed")
                self.stage("training", "InProgress")
            if "saved" not in said:
                job.progress(**said)

        return hear


def _plan(record: Record, directory: Path, base: Path, train: Path, validations: list[Path]) -> Plan:
    values = record.body["hyperParameters"]
    patience = values.get("earlyStoppingPatience") if validations else None
    return Plan(
        base=str(base),
        work=str(directory),
        train=str(train),
        validations=tuple(str(path) for path in validations),
        epochs=int(values.get("epochCount", 1)),
        batch=int(values.get("batchSize", 1)),
        rate=hyperparameters.learning_rate(values),
        warmup=int(values.get("learningRateWarmupSteps", 0)),
        patience=int(patience) if patience else None,
        threshold=float(values.get("earlyStoppingThreshold", 0)),
        checkpoint_steps=20,
    )


async def _write_metrics(context: Context, record: Record, trained: Trained) -> None:
    folder = objects.join(record.body["outputDataConfig"]["s3Uri"], f"{KIND}-{record.id}")
    await objects.put(context, objects.join(folder, metrics.TRAINING), metrics.csv(trained.training, "training_loss"))
    if any(trained.validation):
        points = [point for one in trained.validation for point in one]
        await objects.put(context, objects.join(folder, metrics.VALIDATION), metrics.csv(points, "validation_loss"))


async def _unless_stopped(job: Job, work: Awaitable[Value]) -> Value:
    """The result, unless someone asks the job to stop first. Raises Stopped."""
    working = asyncio.ensure_future(work)
    stopping = asyncio.ensure_future(job.stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise Stopped
        return working.result()
    finally:
        stopping.cancel()
        if not working.done():
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
