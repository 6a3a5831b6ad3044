"""An engine's life: cold, loading, ready, failed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Generic, Literal, Protocol, TypeVar

from outcrop.engines.inference.engine import EngineError, EngineLoading

State = Literal["cold", "loading", "ready", "failed"]

_SECONDS_UNTIL_RETRY = 5.0


class Opened(Protocol):
    async def open(self) -> None: ...

    async def aclose(self) -> None: ...


EngineT = TypeVar("EngineT", bound=Opened)


class Slot(Generic[EngineT]):
    """Builds and opens one engine when it is first asked for, in the background: callers who leave don't stop it.

    After a failure the same error is raised for a few seconds, then it is tried again.
    """

    def __init__(self, build: Callable[[], EngineT]) -> None:
        self._build = build
        self._engine: EngineT | None = None
        self._opening: asyncio.Task[EngineT] | None = None
        self._failed: tuple[float, EngineError] | None = None

    @property
    def state(self) -> State:
        if self._engine is not None:
            return "ready"
        if self._opening is not None:
            return "loading"
        return "failed" if self._failed else "cold"

    @property
    def error(self) -> str:
        """Why it failed, if it did."""
        return str(self._failed[1]) if self._failed and self._engine is None else ""

    async def get(self, patience: float | None = None) -> EngineT:
        """The opened engine. Raises EngineLoading after `patience` seconds, EngineError if it can't be opened."""
        if self._engine is not None:
            return self._engine
        if self._failed and time.monotonic() - self._failed[0] < _SECONDS_UNTIL_RETRY:
            raise self._failed[1]
        if self._opening is None:
            self._opening = asyncio.create_task(self._open())
            self._opening.add_done_callback(_retrieve)
        done, _ = await asyncio.wait({self._opening}, timeout=patience)
        if not done:
            raise EngineLoading("The model is still being loaded. Wait and try your request again.")
        return next(iter(done)).result()

    async def _open(self) -> EngineT:
        try:
            engine = self._build()
            await engine.open()
        except EngineError as error:
            self._failed = (time.monotonic(), error)
            raise
        else:
            self._engine, self._failed = engine, None
            return engine
        finally:
            self._opening = None

    async def aclose(self) -> None:
        opening = self._opening
        if opening is not None:
            opening.cancel()
            await asyncio.gather(opening, return_exceptions=True)
        engine, self._engine = self._engine, None
        if engine is not None:
            await engine.aclose()


def _retrieve(task: asyncio.Task[EngineT]) -> None:
    """Nobody may be left who waits for the failure."""
    if not task.cancelled():
        task.exception()
