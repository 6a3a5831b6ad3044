"""An event stream that lets go of its engine when the client leaves, even before the first event was read."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from outcrop.services.bedrock.runtime.runs import Run

Item = dict[str, Any]


class Stream(AsyncIterator[Item]):
    def __init__(self, run: Run, events: AsyncGenerator[Item, None]) -> None:
        self._run = run
        self._events = events

    async def __anext__(self) -> Item:
        return await anext(self._events)

    async def aclose(self) -> None:
        await self._events.aclose()
        await self._run.aclose()
