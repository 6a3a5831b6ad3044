"""An answer that comes piece by piece, with a brake for readers that are slow."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable

HIGH_WATER = 1 << 20


class AnswerStream:
    """One side feeds, the other iterates. Whoever asks for it passes it along in an `Invocation`."""

    def __init__(self) -> None:
        self.content_type = "application/octet-stream"
        self.begun = asyncio.get_running_loop().create_future()
        """Done once the function has begun to stream its answer."""
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._news = asyncio.Event()
        self._over = False
        self._abandoned = False
        self._resume: Callable[[], None] | None = None

    # the function's side

    def begin(self, content_type: str, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        """`pause` and `resume` hold back and let go of what feeds."""
        self.content_type = content_type
        self._pause, self._resume = pause, resume
        if not self.begun.done():
            self.begun.set_result(None)

    def feed(self, piece: bytes) -> None:
        if self._abandoned:
            return
        self._pieces.append(piece)
        self._size += len(piece)
        self._news.set()
        if self._size > HIGH_WATER:
            self._pause()

    def end(self) -> None:
        """Nothing more comes; also if nothing ever came."""
        self._over = True
        self._news.set()

    # the reader's side

    def abandon(self) -> None:
        """Nobody reads any more: let the function run on without holding it back."""
        self._abandoned = True
        self._pieces.clear()
        self._size = 0
        if self._resume is not None:
            self._resume()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            while self._pieces:
                piece = self._pieces.popleft()
                self._size -= len(piece)
                if self._size <= HIGH_WATER // 2 and self._resume is not None:
                    self._resume()
                yield piece
            if self._over:
                return
            self._news.clear()
            await self._news.wait()
