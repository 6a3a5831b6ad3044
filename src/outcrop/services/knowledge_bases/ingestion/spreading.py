"""Work on many items at once, until they are done, one fails, or someone asks to stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from outcrop.jobs import Stopped

Item = TypeVar("Item")


async def spread(
    items: AsyncIterator[Item], work: Callable[[Item], Awaitable[None]], width: int, stop: asyncio.Event
) -> None:
    """`work` on each item, `width` of them at a time; of the items only as many are held.

    Raises `Stopped` as soon as `stop` is set, or the first exception of `work` or `items`; what runs is cancelled.
    """
    queue: asyncio.Queue[Item | None] = asyncio.Queue(1)

    async def watch() -> None:
        await stop.wait()
        raise Stopped

    async def take() -> None:
        while (item := await queue.get()) is not None:
            await work(item)

    try:
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(watch())
            taking = [tasks.create_task(take()) for _ in range(width)]
            async for item in items:
                await queue.put(item)
            for _ in taking:
                await queue.put(None)
            await asyncio.wait(taking)
            watching.cancel()
    except ExceptionGroup as group:
        _, failures = group.split(Stopped)
        raise (failures.exceptions[0] if failures else Stopped()) from None


class Turns:
    """One at a time for each key: `async with turns(key)`."""

    def __init__(self) -> None:
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}

    def __call__(self, key: str) -> _Turn:
        return _Turn(self._locks, key)


class _Turn:
    def __init__(self, locks: dict[str, tuple[asyncio.Lock, int]], key: str) -> None:
        self._locks = locks
        self._key = key

    async def __aenter__(self) -> None:
        lock, waiting = self._locks.get(self._key) or (asyncio.Lock(), 0)
        self._locks[self._key] = lock, waiting + 1
        try:
            await lock.acquire()
        except BaseException:
            self._leave()
            raise

    async def __aexit__(self, *_: object) -> None:
        self._locks[self._key][0].release()
        self._leave()

    def _leave(self) -> None:
        lock, waiting = self._locks.pop(self._key)
        if waiting > 1:
            self._locks[self._key] = lock, waiting - 1
