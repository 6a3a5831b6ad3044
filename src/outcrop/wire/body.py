"""A request's body as it arrives: in pieces, with bounds, and with the client possibly gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

from outcrop.wire.errors import Disconnected

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
_GRACE = 0.05


class TooLarge(Exception):
    """A body that must be read whole is longer than its limit."""


class Inbox:
    """ASGI's `receive` as chunks; and a watch that cancels the task if the client goes away after the last one.

    `empty`: the headers announce no body, so that there is nothing to wait for.
    """

    def __init__(self, receive: Receive, empty: bool = False) -> None:
        self._receive = receive
        self._complete = empty
        self._task: asyncio.Task[Any] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._watcher: asyncio.Task[None] | None = None
        self.disconnected = False
        self.asked = empty
        """Whether anyone wanted the body; a client that expects `100 Continue` sends none before."""

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body's pieces. Raises `Disconnected`."""
        while not self._complete:
            self.asked = True
            message = await self._receive()
            if message["type"] != "http.request":
                self.disconnected = True
                raise Disconnected
            if not message.get("more_body"):
                self._complete = True
                self._arm()
            if chunk := message.get("body"):
                yield chunk

    def watch(self, task: asyncio.Task[Any]) -> None:
        """Cancel `task` if the client disconnects. Quick calls never get to the point of looking."""
        self._task = task
        self._arm()

    def stop_watching(self) -> None:
        self._task = None
        if self._timer is not None:
            self._timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()

    def _arm(self) -> None:
        if self._complete and self._task is not None and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_GRACE, self._start)

    def _start(self) -> None:
        self._watcher = asyncio.create_task(self._wait())

    async def _wait(self) -> None:
        while (await self._receive())["type"] == "http.request":
            pass
        if self._task is not None:
            self.disconnected = True
            self._task.cancel()


class Body:
    """What a handler iterates over. `trailers` are complete once the iteration is."""

    def __init__(self, chunks: AsyncIterator[bytes], trailers: dict[str, str] | None = None) -> None:
        self._chunks = chunks
        self.trailers: dict[str, str] = {} if trailers is None else trailers

    def __aiter__(self) -> Body:
        return self

    async def __anext__(self) -> bytes:
        return await anext(self._chunks)


async def read_whole(chunks: AsyncIterator[bytes], limit: int) -> bytes:
    """All of it. Raises `TooLarge`."""
    pieces: list[bytes] = []
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > limit:
            raise TooLarge
        pieces.append(chunk)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


async def one_chunk(content: bytes) -> AsyncIterator[bytes]:
    if content:
        yield content
