"""The `AWS/Lambda` metrics: summed up, and sent once a second while there are any."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from outcrop.services.contract import Context, ServiceError
from outcrop.services.lambda_.names import FunctionName

log = logging.getLogger(__name__)

FLUSH_SECONDS = 1.0
MAX_VALUES = 150
MAX_DATA = 500
UNITS = {"Duration": "Milliseconds"}

Key = tuple[FunctionName, str]


class Metrics:
    """`context(account, region)` is Lambda's own."""

    def __init__(self, context: Callable[[str, str], Context]) -> None:
        self._context = context
        self._values: defaultdict[Key, Counter[float]] = defaultdict(Counter)
        self._task: asyncio.Task[None] | None = None

    def record(self, name: FunctionName, **values: float) -> None:
        """Add a value to each named metric of the function that was invoked as `name`."""
        for metric, value in values.items():
            self._values[name, metric][round(value, 2)] += 1
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._send_soon(), name="send function metrics")

    async def flush(self) -> None:
        """Send what was recorded."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._send()

    async def _send_soon(self) -> None:
        while self._values:
            await asyncio.sleep(FLUSH_SECONDS)
            await self._send()

    async def _send(self) -> None:
        values, self._values = self._values, defaultdict(Counter)
        now = datetime.now(UTC)
        places: defaultdict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
        for (name, metric), counts in values.items():
            function = {"Name": "FunctionName", "Value": name.name}
            resource = {"Name": "Resource", "Value": f"{name.name}:{name.qualifier}" if name.qualifier else name.name}
            for dimensions in ([], [function], [function, resource]):
                places[name.account, name.region] += _data(metric, counts, dimensions, now)
        for (account, region), data in places.items():
            ctx = self._context(account, region)
            for start in range(0, len(data), MAX_DATA):
                request = {"Namespace": "AWS/Lambda", "MetricData": data[start : start + MAX_DATA]}
                try:
                    await ctx.call("cloudwatch", "put_metric_data", request)
                except ServiceError as error:
                    log.warning("function metrics were lost: %s: %s", error.code, error.message)


def _data(metric: str, counts: Counter[float], dimensions: list[dict[str, str]], now: datetime) -> list[dict[str, Any]]:
    pairs = list(counts.items())
    return [
        {
            "MetricName": metric,
            "Dimensions": dimensions,
            "Timestamp": now,
            "Values": [value for value, _ in pairs[start : start + MAX_VALUES]],
            "Counts": [float(count) for _, count in pairs[start : start + MAX_VALUES]],
            "Unit": UNITS.get(metric, "Count"),
        }
        for start in range(0, len(pairs), MAX_VALUES)
    ]
