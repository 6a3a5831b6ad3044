"""Several engines of which the first that works answers."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import cast

from outcrop.engines.inference.engine import EngineError, EngineUnsupported, Event, Generation, TextEngine

log = logging.getLogger("outcrop.inference")


class Failover:
    """Asks its engines in order; the next one where one fails before its first event. What is refused as asking too
    much is tried with the next one too: it may be able to."""

    def __init__(self, engines: Sequence[TextEngine]) -> None:
        self._engines = tuple(engines)
        self._last = self._engines[0]

    @property
    def name(self) -> str:
        return self._last.name

    @property
    def extractive(self) -> bool:
        return self._last.extractive

    async def open(self) -> None:
        """Opens all; fails only where none can be opened."""
        failure: EngineError | None = None
        opened: list[TextEngine] = []
        for engine in self._engines:
            try:
                await engine.open()
                opened.append(engine)
            except EngineError as error:
                log.warning("%s can't be used: %s", engine.name, error)
                failure = error
        if not opened:
            assert failure is not None
            raise failure
        self._engines = tuple(opened)
        self._last = opened[0]

    async def aclose(self) -> None:
        for engine in self._engines:
            await engine.aclose()

    async def generate(self, generation: Generation) -> AsyncIterator[Event]:
        failure: EngineError | None = None
        for engine in self._engines:
            async with aclosing(cast("AsyncGenerator[Event, None]", engine.generate(generation))) as events:
                try:
                    first = await anext(events)
                except EngineError as error:
                    failure = _worse(failure, error)
                    continue
                self._use(engine)
                yield first
                async for event in events:
                    yield event
                return
        assert failure is not None
        raise failure

    async def count(self, generation: Generation) -> int:
        failure: EngineError | None = None
        for engine in self._engines:
            try:
                counted = await engine.count(generation)
            except EngineError as error:
                failure = _worse(failure, error)
                continue
            self._use(engine)
            return counted
        assert failure is not None
        raise failure

    def _use(self, engine: TextEngine) -> None:
        if engine is not self._last:
            log.warning("%s does not answer; %s does", self._last.name, engine.name)
            self._last = engine


def _worse(first: EngineError | None, second: EngineError) -> EngineError:
    """The failure to report: what the preferred engine said, unless it only lacked an ability."""
    return second if first is None or isinstance(first, EngineUnsupported) else first
