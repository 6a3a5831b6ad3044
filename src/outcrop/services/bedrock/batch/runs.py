"""Answers the records of a batch, and writes the answers beside their inputs' names."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from outcrop.jobs import Stopped
from outcrop.services.bedrock import objects
from outcrop.services.contract import ServiceError

if TYPE_CHECKING:
    from outcrop.jobs import Job
    from outcrop.services.bedrock.records import Record
    from outcrop.services.contract import Deps

MANIFEST = "manifest.json.out"
_FILE_BYTES = 1 << 30
_LEAST_RECORDS = 100
_MOST_RECORDS = 50_000
_AT_ONCE = 4
_FILES = ".jsonl"
_INPUT = frozenset({"inputTokens", "input_tokens", "inputTextTokenCount", "prompt_token_count", "prompt_tokens"})
_OUTPUT = frozenset({"outputTokens", "output_tokens", "tokenCount", "generation_token_count", "completion_tokens"})


class BatchFault(Exception):
    """The input can't be answered at all; the text says why."""


@dataclass(slots=True)
class Counts:
    totalRecordCount: int = 0
    processedRecordCount: int = 0
    successRecordCount: int = 0
    errorRecordCount: int = 0
    inputTokenCount: int = 0
    outputTokenCount: int = 0

    COUNTED: ClassVar[tuple[str, ...]] = (
        "totalRecordCount",
        "processedRecordCount",
        "successRecordCount",
        "errorRecordCount",
    )

    def as_dict(self) -> dict[str, int]:
        return asdict(self)


class BatchRun:
    def __init__(self, deps: Deps, record: Record, directory: Path, job: Job, note: Callable[[Counts], None]) -> None:
        self._context = objects.as_role(deps, record)
        self._strict = deps.settings.strict
        self._record = record
        self._directory = directory
        self._job = job
        self._note = note
        self._counts = Counts()
        self._files: dict[str, Path] = {}
        """Key of the input; the copy here."""
        self._source = record.body["inputDataConfig"]["s3InputDataConfig"]["s3Uri"]
        self._target = record.body["outputDataConfig"]["s3OutputDataConfig"]["s3Uri"]

    async def validate(self) -> None:
        """Copy and check the input. Raises BatchFault, ObjectError."""
        bucket, _ = objects.split(self._source)
        keys = [key for key in await objects.list_keys(self._context, self._source) if key.endswith(_FILES)]
        if not keys:
            raise BatchFault(f"There are no {_FILES} files at {self._source}.")
        for number, key in enumerate(keys):
            path = self._directory / f"{number}{_FILES}"
            await objects.fetch(self._context, f"s3://{bucket}/{key}", path, _FILE_BYTES)
            self._files[key] = path
            self._counts.totalRecordCount += await asyncio.to_thread(_check, path, key)
        total = self._counts.totalRecordCount
        if total > _MOST_RECORDS or (self._strict and total < _LEAST_RECORDS):
            raise BatchFault(
                f"The input has {total} records. A batch inference job takes from {_LEAST_RECORDS} to {_MOST_RECORDS}."
            )
        self._note(self._counts)

    async def answer(self) -> str:
        """Answer every record; the job's status at the end. Raises Stopped."""
        answered = {path: self._recover(path) for path in self._files.values()}
        for path, done in answered.items():
            await self._answer_file(path, done)
            self._note(self._counts)
        if time.time() > self._record.body["expires"]:
            return "PartiallyCompleted" if self._counts.processedRecordCount else "Expired"
        return "Completed"

    async def _answer_file(self, path: Path, done: int) -> None:
        with _output(path).open("ab") as output:
            pending: list[dict[str, Any]] = []
            for record in _records(path, done):
                pending.append(record)
                if len(pending) == _AT_ONCE:
                    await self._answer_some(pending, output)
                    pending = []
                if time.time() > self._record.body["expires"]:
                    return
            await self._answer_some(pending, output)

    def _recover(self, path: Path) -> int:
        """How many records an earlier run answered; a line that it had begun is cut off."""
        output = _output(path)
        if not output.exists():
            return 0
        whole = output.read_bytes()
        whole = whole[: whole.rfind(b"\n") + 1]
        output.write_bytes(whole)
        lines = whole.splitlines()
        for line in lines:
            self._count(json.loads(line))
        return len(lines)

    async def _answer_some(self, records: list[dict[str, Any]], output: Any) -> None:
        if self._job.stop.is_set():
            raise Stopped
        for answered in await asyncio.gather(*[self._answer(record) for record in records]):
            output.write(json.dumps(answered).encode() + b"\n")
            self._count(answered)
        output.flush()
        self._note(self._counts)
        self._job.progress(done=self._counts.processedRecordCount, total=self._counts.totalRecordCount)

    async def _answer(self, record: dict[str, Any]) -> dict[str, Any]:
        try:
            return {**record, "modelOutput": await self._invoke(record["modelInput"])}
        except ServiceError as error:
            return {**record, "error": {"errorCode": error.status, "errorMessage": error.message or error.code}}

    async def _invoke(self, given: Any) -> Any:
        model_id = self._record.body["modelId"]
        if self._record.body["how"] == "Converse":
            body = given if isinstance(given, dict) else {}
            answer = await self._context.call("bedrock-runtime", "converse", {**body, "modelId": model_id})
            return answer
        request = {"modelId": model_id, "body": json.dumps(given).encode()}
        answer = await self._context.call("bedrock-runtime", "invoke_model", request)
        return json.loads(answer["body"])

    def _count(self, answered: dict[str, Any]) -> None:
        self._counts.processedRecordCount += 1
        if "error" in answered:
            self._counts.errorRecordCount += 1
        else:
            self._counts.successRecordCount += 1
            self._counts.inputTokenCount += _tokens(answered["modelOutput"], _INPUT)
            self._counts.outputTokenCount += _tokens(answered["modelOutput"], _OUTPUT)

    async def write(self) -> None:
        """Put what was answered, and the manifest, into the output bucket."""
        folder = objects.join(self._target, self._record.id)
        for key, path in self._files.items():
            if _output(path).exists():
                await objects.put(self._context, objects.join(folder, f"{key.rpartition('/')[2]}.out"), _output(path))
        manifest = json.dumps(self._counts.as_dict()).encode()
        await objects.put(self._context, objects.join(folder, MANIFEST), manifest)
        self._note(self._counts)


def _tokens(answer: Any, names: frozenset[str]) -> int:
    """The sum of what a family's body says under these names, wherever it says it."""
    if isinstance(answer, list):
        return sum(_tokens(inner, names) for inner in answer)
    if not isinstance(answer, dict):
        return 0
    return sum(
        value if name in names and isinstance(value, int) else _tokens(value, names) for name, value in answer.items()
    )


def _output(path: Path) -> Path:
    return path.with_suffix(".out")


def _check(path: Path, key: str) -> int:
    """How many records a file has. Raises BatchFault naming the first bad line."""
    count = 0
    with path.open("rb") as lines:
        for count, line in enumerate(lines, 1):
            try:
                value = json.loads(line)
            except (ValueError, RecursionError):
                raise BatchFault(f"Line {count} of {key} is not JSON.") from None
            if not isinstance(value, dict) or not isinstance(value.get("modelInput"), dict):
                raise BatchFault(f"Line {count} of {key} needs a modelInput that is a JSON object.")
    return count


def _records(path: Path, skip: int) -> Iterator[dict[str, Any]]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines):
            if number >= skip:
                value = json.loads(line)
                name = value.get("recordId") or uuid.uuid4().hex[:11].upper()
                yield {"recordId": name, "modelInput": value["modelInput"]}
