"""Log lines on their way to CloudWatch Logs: gathered, and sent in batches in the background."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from outcrop.engines.functions import Line
from outcrop.services.contract import Context, ServiceError

log = logging.getLogger(__name__)

FLUSH_SECONDS = 0.1
MAX_EVENTS = 10_000
MAX_BYTES = 1_048_576
EVENT_OVERHEAD = 26
FULL = 20_000
"""Lines of one stream that may wait before its function is held back."""


@dataclass(slots=True)
class Stream:
    """One log stream of one environment."""

    account: str
    region: str
    group: str
    name: str
    environment: str
    waiting: deque[Line] = field(default_factory=deque)
    made: bool = False
    last: int = 0
    full: bool = False


class Shipping:
    """`context(account, region)` is Lambda's own; `on_room(stream)` is called when a full stream takes lines again."""

    def __init__(self, context: Callable[[str, str], Context], on_room: Callable[[Stream], None]) -> None:
        self._context = context
        self._on_room = on_room
        self._dirty: dict[int, Stream] = {}
        self._task: asyncio.Task[None] | None = None
        self._complained = False

    def add(self, stream: Stream, lines: Sequence[Line]) -> bool:
        """Take lines; False: this stream is full."""
        for at, text in lines:
            stream.last = max(stream.last, at)  # batches must be in order of time
            stream.waiting.append((stream.last, text))
        stream.full = len(stream.waiting) > FULL
        self._dirty[id(stream)] = stream
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._send_soon(), name="send function logs")
        return not stream.full

    async def flush(self) -> None:
        """Send all that waits."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        while self._dirty:
            await self._send_all()

    async def _send_soon(self) -> None:
        while self._dirty:
            await asyncio.sleep(FLUSH_SECONDS)
            await self._send_all()

    async def _send_all(self) -> None:
        for key, stream in list(self._dirty.items()):
            while stream.waiting:
                await self._send_batch(stream)
                await asyncio.sleep(0)
            self._dirty.pop(key, None)
            if stream.full:
                stream.full = False
                self._on_room(stream)

    async def _send_batch(self, stream: Stream) -> None:
        events: list[dict[str, object]] = []
        size = 0
        for at, text in stream.waiting:
            size += (len(text) if text.isascii() else len(text.encode())) + EVENT_OVERHEAD
            if events and (size > MAX_BYTES or len(events) == MAX_EVENTS):
                break
            events.append({"timestamp": at, "message": text})
        ctx = self._context(stream.account, stream.region)
        where = {"logGroupName": stream.group, "logStreamName": stream.name}
        try:
            if not stream.made:
                await _make(ctx, where)
                stream.made = True
            try:
                await ctx.call("logs", "put_log_events", {**where, "logEvents": events})
            except ServiceError as error:
                if error.code != "ResourceNotFoundException":
                    raise
                await _make(ctx, where)  # someone deleted the group under a running function
                await ctx.call("logs", "put_log_events", {**where, "logEvents": events})
        except ServiceError as error:
            if not self._complained:
                self._complained = True
                log.warning("log lines of %s were lost: %s: %s", stream.group, error.code, error.message)
        for _ in events:
            stream.waiting.popleft()


async def _make(ctx: Context, where: dict[str, str]) -> None:
    for operation, request in (
        ("create_log_group", {"logGroupName": where["logGroupName"]}),
        ("create_log_stream", where),
    ):
        with contextlib.suppress(ServiceError):  # it is there already, or put_log_events says what is wrong
            await ctx.call("logs", operation, request)
