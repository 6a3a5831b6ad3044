"""The invocation log: AWS's records of version 1.0, in CloudWatch Logs and S3, gathered and written once a second.

A body of more than 100 KB goes to S3 as an object of its own, which the record names.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import logging
import secrets
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from outcrop.services.contract import ServiceError

if TYPE_CHECKING:
    from outcrop.services.bedrock.reporting.logging_config import LoggingConfigs
    from outcrop.services.bedrock.runtime.calls import Call
    from outcrop.services.contract import Context

log = logging.getLogger(__name__)

STREAM = "aws/bedrock/modelinvocations"
FLUSH_SECONDS = 1.0
MAX_INLINE = 100_000
"""Bytes of a body that a record holds itself."""
_MAX_BATCH = 200
_KINDS = {"IMAGE": "imageDataDeliveryEnabled", "EMBEDDING": "embeddingDataDeliveryEnabled"}


@dataclass(frozen=True, slots=True)
class Entry:
    at: datetime
    record: Mapping[str, Any]
    """Without bodies."""
    bodies: Mapping[str, str]
    """`input` and `output`, as JSON."""


class InvocationLog:
    """A watcher of calls. `context(account, region)` is Bedrock's own."""

    def __init__(self, configs: LoggingConfigs, context: Callable[[str, str], Context]) -> None:
        self._configs = configs
        self._context = context
        self._waiting: defaultdict[tuple[str, str], list[Entry]] = defaultdict(list)
        self._task: asyncio.Task[None] | None = None

    @property
    def wants_output(self) -> bool:
        return self._configs.any

    async def admit(self, call: Call) -> None:
        """Nothing is refused."""

    async def settle(self, call: Call) -> None:
        config = self._configs.of(call.ctx.account, call.ctx.region)
        if config is None:
            return
        self._waiting[call.ctx.account, call.ctx.region].append(_entry(call, config))
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._write_soon(), name="log model invocations")

    async def aclose(self) -> None:
        """Write what waits."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._write()

    async def _write_soon(self) -> None:
        while self._waiting:
            await asyncio.sleep(FLUSH_SECONDS)
            await self._write()

    async def _write(self) -> None:
        waiting, self._waiting = self._waiting, defaultdict(list)
        for (account, region), entries in waiting.items():
            config = self._configs.of(account, region) or {}
            ctx = self._context(account, region)
            for deliver, place in ((_to_logs, "cloudWatchConfig"), (_to_s3, "s3Config")):
                if place in config:
                    try:
                        await deliver(ctx, config[place], entries)
                    except ServiceError as error:
                        log.warning("invocation logs were lost (%s): %s: %s", place, error.code, error.message)


async def _to_logs(ctx: Context, place: Mapping[str, Any], entries: list[Entry]) -> None:
    large = place.get("largeDataDeliveryS3Config")
    events = [
        {
            "timestamp": int(entry.at.timestamp() * 1000),
            "message": json.dumps(await _record(ctx, entry, large), ensure_ascii=False),
        }
        for entry in sorted(entries, key=lambda entry: entry.at)
    ]
    target = {"logGroupName": place["logGroupName"], "logStreamName": STREAM}
    for batch in _batches(events):
        try:
            await ctx.call("logs", "put_log_events", {**target, "logEvents": batch})
        except ServiceError as error:
            if error.code != "ResourceNotFoundException":
                raise
            await ctx.call("logs", "create_log_stream", target)
            await ctx.call("logs", "put_log_events", {**target, "logEvents": batch})


async def _to_s3(ctx: Context, place: Mapping[str, Any], entries: list[Entry]) -> None:
    by_hour: defaultdict[str, list[str]] = defaultdict(list)
    for entry in entries:
        record = await _record(ctx, entry, place)
        by_hour[_folder(ctx, entry.at, place)].append(json.dumps(record, ensure_ascii=False))
    for folder, lines in by_hour.items():
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}Z_{secrets.token_hex(8)}.json.gz"
        await _put(ctx, place, f"{folder}/{name}", "\n".join(lines) + "\n")


async def _record(ctx: Context, entry: Entry, large: Mapping[str, Any] | None) -> dict[str, Any]:
    """With its bodies, or where they are."""
    record: dict[str, Any] = {**entry.record}
    for side, body in entry.bodies.items():
        if len(body.encode("utf-8", "replace")) <= MAX_INLINE:
            record[side] = {**record[side], f"{side}BodyJson": json.loads(body)}
        elif large is not None:
            key = f"{_folder(ctx, entry.at, large)}/data/{record['requestId']}_{side}.json.gz"
            await _put(ctx, large, key, body)
            record[side] = {**record[side], f"{side}BodyS3Path": f"s3://{large['bucketName']}/{key}"}
    return record


async def _put(ctx: Context, place: Mapping[str, Any], key: str, text: str) -> None:
    data = await asyncio.to_thread(gzip.compress, text.encode("utf-8", "replace"))
    request = {"Bucket": place["bucketName"], "Key": key, "Body": data, "ContentType": "application/json"}
    await ctx.call("s3", "put_object", {**request, "ContentEncoding": "gzip"})


def _folder(ctx: Context, at: datetime, place: Mapping[str, Any]) -> str:
    prefix = place.get("keyPrefix", "").strip("/")
    path = f"AWSLogs/{ctx.account}/BedrockModelInvocationLogs/{ctx.region}/{at:%Y/%m/%d/%H}"
    return f"{prefix}/{path}" if prefix else path


def _batches(events: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Each under a megabyte, at most."""
    batches: list[list[dict[str, Any]]] = [[]]
    size = 0
    for event in events:
        length = len(event["message"].encode("utf-8", "replace")) + 26
        if batches[-1] and (size + length > 900_000 or len(batches[-1]) == _MAX_BATCH):
            batches.append([])
            size = 0
        batches[-1].append(event)
        size += length
    return batches


def _entry(call: Call, config: Mapping[str, Any]) -> Entry:
    used = call.usage
    given: dict[str, Any] = {"inputContentType": "application/json"}
    made: dict[str, Any] = {"outputContentType": "application/json"}
    if used is not None:
        given["inputTokenCount"] = used.input_tokens
        if call.model.caches:
            given["cacheReadInputTokenCount"] = used.cache_read_tokens
            given["cacheWriteInputTokenCount"] = used.cache_write_tokens
        made["outputTokenCount"] = used.output_tokens
    record: dict[str, Any] = {
        "schemaType": "ModelInvocationLog",
        "schemaVersion": "1.0",
        "timestamp": f"{call.at:%Y-%m-%dT%H:%M:%SZ}",
        "accountId": call.ctx.account,
        "region": call.ctx.region,
        "requestId": call.ctx.request_id,
        "operation": call.operation,
        "modelId": call.request["modelId"],
        "identity": {"arn": call.ctx.principal.arn},
        **({"requestMetadata": dict(call.request["requestMetadata"])} if call.request.get("requestMetadata") else {}),
        "input": given,
    }
    if call.error is None:
        record["output"] = made
    else:
        record["errorCode"] = call.error.code
    return Entry(call.at, record, _bodies(call) if _is_wanted(call, config) else {})


def _is_wanted(call: Call, config: Mapping[str, Any]) -> bool:
    kind = "IMAGE" if call.model.draws else "EMBEDDING" if call.model.embeds else "TEXT"
    return bool(config.get(_KINDS.get(kind, "textDataDeliveryEnabled"), True))


def _bodies(call: Call) -> dict[str, str]:
    if "body" in call.request:
        given = _decoded(call.request["body"])
    else:
        given = {name: value for name, value in call.request.items() if name != "modelId"}
    bodies = {"input": _json(given)}
    if call.error is None and call.output is not None:
        output = call.output
        if isinstance(output, list):
            output = [_decoded(one["chunk"]["bytes"]) if "chunk" in one else one for one in output]
        bodies["output"] = _json(_decoded(output) if isinstance(output, bytes) else output)
    return bodies


def _decoded(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return base64.b64encode(body).decode()


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return dict(value) if isinstance(value, Mapping) else str(value)
