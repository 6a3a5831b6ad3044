"""An event stream that lets go of its engine when the client leaves, even before the first event was read, and that
settles its call when it ends."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import TYPE_CHECKING, Any

from outcrop.services.contract import ServiceError

if TYPE_CHECKING:
    from outcrop.services.bedrock.runtime.runs import Run

Item = dict[str, Any]


class Stream(AsyncIterator[Item]):
    def __init__(self, run: Run, events: AsyncGenerator[Item, None]) -> None:
        self._run = run
        self._events = events
        self._call = run.call
        self._call.streams = True
        self._call.output = [] if self._call.keeps_output else None

    async def __anext__(self) -> Item:
        try:
            item = await anext(self._events)
        except StopAsyncIteration:
            await self._call.settle()
            raise
        except ServiceError as error:
            self._call.error = error
            await self._call.settle()
            raise
        if self._call.output is not None:
            self._call.output.append(item)
        return item

    async def aclose(self) -> None:
        await self._events.aclose()
        await self._run.aclose()
        await self._call.settle()
