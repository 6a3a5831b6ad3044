"""Lets few things begin at a time, and holds nothing up for long: what takes long may wait for what comes behind."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator


class Pace:
    """`async with pace.turn():` no more than `limit` at once, but one that takes longer than `patience` seconds lets
    the next begin."""

    def __init__(self, limit: int, patience: float) -> None:
        self._limit = limit
        self._patience = patience
        self._slots: asyncio.Semaphore | None = None

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        if self._slots is None:
            self._slots = asyncio.Semaphore(self._limit)
        slots, loop = self._slots, asyncio.get_running_loop()
        await slots.acquire()
        timer = loop.call_later(self._patience, slots.release)
        try:
            yield
        finally:
            if loop.time() < timer.when():
                timer.cancel()
                slots.release()
