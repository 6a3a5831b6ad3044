"""Threads that do small pieces of work for coroutines: urgent calls first, the others in turns."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Pool:
    """Runs one piece after the other, so an urgent call waits for one piece of another call at most, never for all
    of it. The work must let go of the interpreter lock for more than one thread to be of use."""

    def __init__(self, threads: int, name: str) -> None:
        self._urgent: deque[_Call] = deque()
        self._waiting: deque[_Call] = deque()
        self._news = threading.Condition()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True) for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    async def map(
        self, function: Callable[[Item], Answer], items: Sequence[Item], *, urgent: bool = False
    ) -> list[Answer]:
        """`function` of each item, in order. The first exception ends the call; cancelling it drops what is left."""
        if not items:
            return []
        call = _Call(function, items)
        with self._news:
            if self._closed:
                raise RuntimeError("the pool is closed")
            (self._urgent if urgent else self._waiting).append(call)
            self._news.notify(len(items))
        try:
            await call.done
        finally:
            call.dropped = True
        return call.answers

    def close(self) -> None:
        """Fail what waits, wait for the pieces that run. Blocks for as long as a piece takes."""
        with self._news:
            self._closed = True
            calls = [*self._urgent, *self._waiting]
            self._urgent.clear()
            self._waiting.clear()
            self._news.notify_all()
        for call in calls:
            call.fail(RuntimeError("the pool was closed while this call waited"))
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while piece := self._take():
            call, number = piece
            try:
                answer = call.function(call.items[number])
            except BaseException as error:
                call.fail(error)
            else:
                call.answer(number, answer)

    def _take(self) -> tuple[_Call, int] | None:
        with self._news:
            while not self._closed:
                queue = self._urgent or self._waiting
                if not queue:
                    self._news.wait()
                    continue
                call = queue.popleft()
                if call.dropped:
                    continue
                number, call.next = call.next, call.next + 1
                if call.next < len(call.items):
                    queue.append(call)
                return call, number
        return None


class _Call:
    def __init__(self, function: Callable[[Any], Any], items: Sequence[Any]) -> None:
        self.function = function
        self.items = items
        self.answers: list[Any] = [None] * len(items)
        self.next = 0
        self.dropped = False
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._left = len(items)
        self._lock = threading.Lock()

    def answer(self, number: int, answer: Any) -> None:
        with self._lock:
            self.answers[number] = answer
            self._left -= 1
            if self._left:
                return
        self._resolve(lambda: self.done.set_result(None))

    def fail(self, error: BaseException) -> None:
        self.dropped = True
        self._resolve(lambda: self.done.set_exception(error))

    def _resolve(self, how: Callable[[], None]) -> None:
        def resolve() -> None:
            if not self.done.done():
                how()

        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self.done.get_loop().call_soon_threadsafe(resolve)
