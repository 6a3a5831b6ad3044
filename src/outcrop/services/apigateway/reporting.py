"""Metrics and access logs of all APIs, gathered while requests are served and written in the background."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

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
    own_groups: set[str] = field(default_factory=set)
    """Log groups that are made if they are missing."""


class Reporting:
    def __init__(self, deps: Deps, pause: float = PAUSE) -> None:
        self._deps = deps
        self._pause = pause
        self._tallies: dict[tuple[str, str], Tally] = {}
        self._task: asyncio.Task[None] | None = None

    def measure(
        self, owner: tuple[str, str], measures: Iterable[tuple[str, float]], dimensions: Sequence[Dimensions]
    ) -> None:
        """Count values of metrics, in `owner`'s account and region."""
        tally = self._tally(owner)
        for name, value in measures:
            for each in dimensions:
                tally.values.setdefault((each, name), Counter())[value] += 1

    def write(
        self, owner: tuple[str, str], group: str, stream: str, at: float, lines: Iterable[str], *, own: bool = False
    ) -> None:
        """Log lines, at a time in seconds; `own`: the group is API Gateway's own and made on demand."""
        tally = self._tally(owner)
        if own:
            tally.own_groups.add(group)
        tally.lines.setdefault((group, stream), []).extend((int(at * 1000), line) for line in lines)

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
                log.warning("metrics and access logs of APIs in %s are lost: %s", account, error.message)

    async def aclose(self) -> None:
        if task := self._task:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await self.flush()

    def _tally(self, owner: tuple[str, str]) -> Tally:
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._write_soon(), name="report APIs")
        return self._tallies.setdefault(owner, Tally())

    async def _write_soon(self) -> None:
        try:
            while True:
                await asyncio.sleep(self._pause)
                if not self._tallies:
                    return
                await self.flush()
        finally:
            self._task = None


def log_group(arn: str) -> str:
    """The name in a log group's ARN, with or without the `:*` behind it."""
    return arn.split(":", 6)[6].removesuffix(":*")


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
                await _make_place(context, target, group in tally.own_groups)
                await context.call("logs", "put_log_events", request)


async def _make_place(context: Context, target: Mapping[str, str], own: bool) -> None:
    if own:
        try:
            await context.call("logs", "create_log_group", {"logGroupName": target["logGroupName"]})
        except ServiceError as error:
            if error.code != "ResourceAlreadyExistsException":
                raise
    await context.call("logs", "create_log_stream", target)


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
