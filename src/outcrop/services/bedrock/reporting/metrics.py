"""The `AWS/Bedrock` metrics by ModelId: summed up, and sent once a second while there are any."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from outcrop.services.contract import ServiceError

if TYPE_CHECKING:
    from outcrop.services.bedrock.runtime.calls import Call
    from outcrop.services.contract import Context

log = logging.getLogger(__name__)

FLUSH_SECONDS = 1.0
MAX_VALUES = 150
MAX_DATA = 500
_UNITS = {"InvocationLatency": "Milliseconds", "TimeToFirstToken": "Milliseconds"}

Key = tuple[str, str, str, str]
"""Account, region, model and metric."""


class Metrics:
    """A watcher of calls. `context(account, region)` is Bedrock's own."""

    wants_output = False

    def __init__(self, context: Callable[[str, str], Context]) -> None:
        self._context = context
        self._values: defaultdict[Key, Counter[float]] = defaultdict(Counter)
        self._task: asyncio.Task[None] | None = None

    async def admit(self, call: Call) -> None:
        """Nothing is refused."""

    async def settle(self, call: Call) -> None:
        model = call.target.resource.split(":", 5)[-1].partition("/")[2]
        for name, value in _measures(call):
            self._values[call.ctx.account, call.ctx.region, model, name][float(value)] += 1
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._send_soon(), name="send model metrics")

    async def aclose(self) -> None:
        """Send what was measured."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._send()

    async def _send_soon(self) -> None:
        while self._values:
            await asyncio.sleep(FLUSH_SECONDS)
            await self._send()

    async def _send(self) -> None:
        values, self._values = self._values, defaultdict(Counter)
        places: defaultdict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
        for (account, region, model, name), counts in values.items():
            places[account, region] += _data(name, counts, model)
        for (account, region), data in places.items():
            ctx = self._context(account, region)
            for start in range(0, len(data), MAX_DATA):
                request = {"Namespace": "AWS/Bedrock", "MetricData": data[start : start + MAX_DATA]}
                try:
                    await ctx.call("cloudwatch", "put_metric_data", request)
                except ServiceError as error:
                    log.warning("model metrics were lost: %s: %s", error.code, error.message)


def _measures(call: Call) -> Iterator[tuple[str, int]]:
    if call.error is not None:
        if call.error.status == 429:
            yield "InvocationThrottles", 1
        else:
            yield ("InvocationClientErrors" if call.error.status < 500 else "InvocationServerErrors"), 1
        return
    yield "Invocations", 1
    yield "InvocationLatency", call.latency_ms or 0
    if call.streams and call.first_ms is not None:
        yield "TimeToFirstToken", call.first_ms
    if (used := call.usage) is not None:
        told = {
            "InputTokenCount": used.input_tokens,
            "OutputTokenCount": used.output_tokens,
            "CacheReadInputTokens": used.cache_read_tokens,
            "CacheWriteInputTokens": used.cache_write_tokens,
            "OutputImageCount": used.images,
        }
        yield from ((name, amount) for name, amount in told.items() if amount or name == "InputTokenCount")


def _data(name: str, counts: Counter[float], model: str) -> Iterator[dict[str, Any]]:
    pairs = list(counts.items())
    for start in range(0, len(pairs), MAX_VALUES):
        part = pairs[start : start + MAX_VALUES]
        yield {
            "MetricName": name,
            "Dimensions": [{"Name": "ModelId", "Value": model}],
            "Values": [value for value, _ in part],
            "Counts": [float(count) for _, count in part],
            "Unit": _UNITS.get(name, "Count"),
        }
