"""A child process that is talked with: messages both ways, any number of them, at any time."""

from __future__ import annotations

import asyncio

from outcrop.processes.frames import REQUEST
from outcrop.processes.limits import Limits
from outcrop.processes.pool import Worker


class Dialogue:
    """Runs `target`, a `module:function` that takes a `talker.Channel`, in a child that dies with this process.

    One task at a time may `receive`. `limits` bound its memory and the size of a message; time is the caller's.
    """

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._ending: asyncio.Task[None] | None = None
        self._sampling = asyncio.get_running_loop().create_task(worker.sample_memory(0.5))

    @classmethod
    async def start(cls, target: str, limits: Limits) -> Dialogue:
        return cls(await Worker.start(target, limits, "talker"))

    def send(self, message: bytes) -> None:
        """Does nothing to a child that is gone: `receive` tells."""
        self._worker.write(REQUEST, message)

    async def receive(self) -> bytes:
        """The next message. Raises WorkerCrashed or WorkerKilled once the child has ended."""
        try:
            return (await self._worker.read())[1]
        except (asyncio.IncompleteReadError, OSError):
            await self.aclose()
            raise self._worker.cause_of_death() from None

    async def aclose(self) -> None:
        """End the child at once."""
        self._sampling.cancel()
        self._worker.kill()
        if self._ending is None:
            self._ending = asyncio.get_running_loop().create_task(self._worker.end())
        await asyncio.shield(self._ending)
