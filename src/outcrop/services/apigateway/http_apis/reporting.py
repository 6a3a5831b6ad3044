"""Metrics and access logs, gathered while requests are served and written in the background."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from outcrop.services.apigateway.http_apis.exchange import Exchange, Reply
from outcrop.services.apigateway.http_apis.live import LiveStage
from outcrop.services.apigateway.http_apis.mapping import render_context
from outcrop.services.contract import Context, Deps, Principal, ServiceError

log = logging.getLogger(__name__)

PAUSE = 1.0
"""Seconds between two writings."""
MAX_VALUES = 150
MAX_DATA = 500
MAX_BATCH = 900_000
"""Bytes of one PutLogEvents."""

Dimensions = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Tally:
    """How often each value of each metric came."""

    values: dict[tuple[Dimensions, str], Counter[float]] = field(default_factory=dict)
    lines: dict[tuple[str, str], list[tuple[int, str]]] = field(default_factory=dict)
    """By log group and stream: time and line."""


class Reporting:
    def __init__(self, deps: Deps, pause: float = PAUSE) -> None:
        self._deps = deps
        self._pause = pause
        self._tallies: dict[tuple[str, str], Tally] = {}
        self._task: asyncio.Task[None] | None = None

    def note(self, exchange: Exchange, reply: Reply) -> None:
        """Count a request that has been answered."""
        stage = exchange.stage
        tally = self._tallies.setdefault((stage.account, stage.region), Tally())
        for name, value in _measures(exchange, reply):
            for dimensions in _dimensions(exchange):
                tally.values.setdefault((dimensions, name), Counter())[value] += 1
        if stage.access_logs:
            line = render_context(stage.access_logs["Format"], exchange, reply)
            group = stage.access_logs["DestinationArn"].split(":", 6)[6].removesuffix(":*")
            place = (group, f"{stage.api_id}/{stage.name}")
            tally.lines.setdefault(place, []).append((int(exchange.at * 1000), line))
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._write_soon(), name="report HTTP APIs")

    async def flush(self) -> None:
        """Write what has gathered."""
        tallies, self._tallies = self._tallies, {}
        for (account, region), tally in tallies.items():
            context = self._deps.context(
                account, region, Principal("apigateway.amazonaws.com", "apigateway", kind="service")
            )
            try:
                await _write_metrics(context, tally)
                await _write_lines(context, tally)
            except ServiceError as error:
                log.warning("metrics and access logs of HTTP APIs in %s are lost: %s", account, error.message)

    async def aclose(self) -> None:
        if task := self._task:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await self.flush()

    async def _write_soon(self) -> None:
        try:
            while self._tallies:
                await asyncio.sleep(self._pause)
                await self.flush()
        finally:
            self._task = None


def _measures(exchange: Exchange, reply: Reply) -> Iterator[tuple[str, float]]:
    yield "Count", 1.0
    yield "4xx", float(400 <= reply.status < 500)
    yield "5xx", float(reply.status >= 500)
    yield "Latency", float(round((time.perf_counter() - exchange.started) * 1000))
    if exchange.integration_seconds is not None:
        yield "IntegrationLatency", float(round(exchange.integration_seconds * 1000))
    yield "DataProcessed", float(len(exchange.incoming.body) + len(reply.body))


def _dimensions(exchange: Exchange) -> Iterable[Dimensions]:
    stage: LiveStage = exchange.stage
    api = ("ApiId", stage.api_id)
    found: list[Dimensions] = [(api,), (api, ("Stage", stage.name))]
    if exchange.route and exchange.route.detailed:
        key = exchange.route.key
        found.append(
            (api, ("Stage", stage.name), ("Method", key.method or "$default"), ("Resource", key.path or "$default"))
        )
    return found


async def _write_metrics(context: Context, tally: Tally) -> None:
    data: list[Mapping[str, Any]] = []
    for (dimensions, name), counter in tally.values.items():
        pairs = list(counter.items())
        for start in range(0, len(pairs), MAX_VALUES):
            part = pairs[start : start + MAX_VALUES]
            data.append(
                {
                    "MetricName": name,
                    "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions],
                    "Values": [value for value, _ in part],
                    "Counts": [float(count) for _, count in part],
                    "Unit": _UNITS.get(name, "Count"),
                }
            )
    for start in range(0, len(data), MAX_DATA):
        request = {"Namespace": "AWS/ApiGateway", "MetricData": data[start : start + MAX_DATA]}
        await context.call("cloudwatch", "put_metric_data", request)


_UNITS = {"Latency": "Milliseconds", "IntegrationLatency": "Milliseconds", "DataProcessed": "Bytes"}


async def _write_lines(context: Context, tally: Tally) -> None:
    for (group, stream), lines in tally.lines.items():
        target = {"logGroupName": group, "logStreamName": stream}
        for batch in _batches(sorted(lines)):
            request = {**target, "logEvents": [{"timestamp": at, "message": line} for at, line in batch]}
            try:
                await context.call("logs", "put_log_events", request)
            except ServiceError as error:
                if error.code != "ResourceNotFoundException":
                    raise
                await context.call("logs", "create_log_stream", target)
                await context.call("logs", "put_log_events", request)


def _batches(lines: Sequence[tuple[int, str]]) -> Iterator[list[tuple[int, str]]]:
    batch: list[tuple[int, str]] = []
    size = 0
    for at, line in lines:
        cost = len(line.encode()) + 26
        if batch and (size + cost > MAX_BATCH or len(batch) == 5_000):
            yield batch
            batch, size = [], 0
        batch.append((at, line))
        size += cost
    if batch:
        yield batch
