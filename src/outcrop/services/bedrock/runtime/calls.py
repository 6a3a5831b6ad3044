"""Every invocation of a model passes here, from its arrival to its end, whatever the operation and the engine.

Operations open a `Call`; what runs it admits it, when it is known how much is asked for, and says what was used. A
`Watcher` sees both moments: throttling refuses in `admit`; the ledger, the invocation log and the metrics write in
`settle`.

    async with self._calls.open(ctx, "Converse", request) as call:
        ...
        await call.admit(generation)     # Runs does it for text; embeddings, images and reranking do it themselves
        call.usage = Usage(input_tokens=…, output_tokens=…)
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from outcrop.services.contract import ServiceError

if TYPE_CHECKING:
    from outcrop.engines.inference.engine import Generation
    from outcrop.services.bedrock.catalogue import FoundationModel
    from outcrop.services.bedrock.catalogue.targets import Target, Targets
    from outcrop.services.contract import Context, Request


@dataclass(frozen=True, slots=True)
class Usage:
    """What an invocation is charged for."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    images: int = 0
    """Pictures that were made."""
    searches: int = 0
    """Queries that were reranked, of up to 100 documents each."""


@dataclass(slots=True, eq=False)
class Call:
    """One invocation. `usage`, `error` and the times are known in full when watchers settle it."""

    ctx: Context
    operation: str
    """`Converse`, `ConverseStream`, `InvokeModel`, `InvokeModelWithResponseStream`, `StartAsyncInvoke`."""
    target: Target
    request: Request
    _watchers: Sequence[Watcher] = field(repr=False)
    generation: Generation | None = None
    """What the engine is asked for; None for embeddings, images and reranking."""
    usage: Usage | None = None
    """None: the engine was not reached."""
    output: Any = None
    """The answer: Converse's output or the body; of a stream, a list of its events if a watcher wants it."""
    error: ServiceError | None = None
    first_ms: int | None = None
    latency_ms: int | None = None
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    started: float = field(default_factory=time.monotonic)
    streams: bool = False
    """The answer is still being sent when the operation returns; the stream settles the call."""
    _settled: bool = False

    @property
    def model(self) -> FoundationModel:
        return self.target.model

    @property
    def keeps_output(self) -> bool:
        return any(watcher.wants_output for watcher in self._watchers)

    def elapsed_ms(self) -> int:
        return round((time.monotonic() - self.started) * 1000)

    async def admit(self, generation: Generation | None = None) -> None:
        """Ask every watcher, just before the engine is. Raises what they refuse with."""
        self.generation = generation
        for watcher in self._watchers:
            await watcher.admit(self)

    async def settle(self) -> None:
        """Tell every watcher that it is over. Only the first time counts."""
        if self._settled:
            return
        self._settled = True
        if self.latency_ms is None:
            self.latency_ms = self.elapsed_ms()
        for watcher in self._watchers:
            await watcher.settle(self)


class Watcher(Protocol):
    """Sees every invocation."""

    @property
    def wants_output(self) -> bool:
        """Whether streams are to keep what they sent in `call.output`."""
        ...

    async def admit(self, call: Call) -> None:
        """Before the engine is asked. Raise a ServiceError to refuse."""
        ...

    async def settle(self, call: Call) -> None:
        """Once, at the end, whether it worked, failed, or the client left."""
        ...


class Calls:
    def __init__(self, targets: Targets, watchers: Sequence[Watcher] = ()) -> None:
        self._targets = targets
        self._watchers = tuple(watchers)

    @asynccontextmanager
    async def open(self, ctx: Context, operation: str, request: Request) -> AsyncIterator[Call]:
        """The call of a request. Raises AWS's errors where `modelId` names nothing."""
        call = Call(ctx, operation, self._targets.resolve(ctx, request["modelId"]), request, self._watchers)
        try:
            yield call
        except ServiceError as error:
            call.error = error
            call.streams = False
            raise
        finally:
            if not call.streams:
                await call.settle()
