"""Long-lived worker processes, one request at a time each."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from outcrop.processes.errors import WorkerCrashed, WorkerError, WorkerKilled, WorkerTimeout
from outcrop.processes.frames import ERROR, HEADER, LAST, PROGRESS, REQUEST, RESULT
from outcrop.processes.limits import Limits
from outcrop.settings import child_environment

_log = logging.getLogger(__name__)

_INHERITED = ("PYTHONPATH", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TMPDIR", "CUDA_VISIBLE_DEVICES")
_OUTPUT_LINES = 200


class WorkerPool:
    """Runs `target`, a `module:function` from bytes to bytes, in up to `workers` child processes.

    Workers start on demand in a clean interpreter, are used again, and leave when idle. They die with this process,
    however it ends.
    """

    def __init__(self, target: str, limits: Limits | None = None, workers: int = 1) -> None:
        self.target = target
        self.limits = limits or Limits()
        self._free = asyncio.Semaphore(workers)
        self._idle: list[Worker] = []
        self._farewells: set[asyncio.Task[None]] = set()
        self._closed = False

    async def open(self) -> None:
        self._closed = False

    async def aclose(self) -> None:
        """Ends idle workers. Cancel requests under way first: theirs end with them."""
        self._closed = True
        while self._idle:
            self._dismiss(self._idle.pop())
        while self._farewells:
            await asyncio.gather(*self._farewells)

    async def call(self, payload: bytes, wall_seconds: float | None = None) -> bytes:
        """The target's result for one payload. Cancelling it kills the worker at once.

        Raises `WorkerError` when the target raises, `WorkerTimeout`, `WorkerKilled` or `WorkerCrashed` when the
        worker is lost.
        """
        async with self._free:
            if self._closed:
                raise RuntimeError(f"the pool for {self.target} is closed")
            worker = self._take() or await Worker.start(self.target, self.limits)
            seconds = self.limits.wall_seconds if wall_seconds is None else wall_seconds
            try:
                async with asyncio.timeout(seconds):
                    result = await worker.request(payload)
            except WorkerError as error:
                if error.kind == "MemoryError":
                    self._dismiss(worker)
                    raise WorkerKilled("memory", self.limits.memory_bytes, worker.progress) from None
                self._give_back(worker)
                raise
            except TimeoutError:
                self._dismiss(worker)
                raise WorkerTimeout(seconds, worker.progress) from None
            except (asyncio.IncompleteReadError, OSError):
                await asyncio.shield(self._later(worker.end()))
                raise worker.cause_of_death() from None
            except BaseException:
                self._dismiss(worker)
                raise
            self._give_back(worker)
            return result

    def _take(self) -> Worker | None:
        while self._idle:
            worker = self._idle.pop()
            worker.stop_clock()
            if not worker.hung_up():
                return worker
            self._dismiss(worker)
        return None

    def _give_back(self, worker: Worker) -> None:
        if self._closed or worker.leaving or worker.requests >= self.limits.requests:
            self._dismiss(worker)
            return
        self._idle.append(worker)
        worker.start_clock(self.limits.idle_seconds, self._expire)

    def _expire(self, worker: Worker) -> None:
        if worker in self._idle:
            self._idle.remove(worker)
            self._dismiss(worker)

    def _dismiss(self, worker: Worker) -> None:
        worker.kill()
        self._later(worker.end())

    def _later(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._farewells.add(task)
        task.add_done_callback(self._farewells.discard)
        return task


class Worker:
    """One child process and its channel."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        output: asyncio.Task[None],
        limits: Limits,
    ) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer
        self._output = output
        self._limits = limits
        self._clock: asyncio.TimerHandle | None = None
        self._peak_bytes = 0
        self.progress = ""
        self.requests = 0
        self.leaving = False

    @classmethod
    async def start(cls, target: str, limits: Limits, program: str = "worker") -> Worker:
        process, ours, said = _spawn(target, limits, program)
        try:
            reader, writer = await asyncio.open_connection(sock=ours)
        except BaseException:
            process.kill()
            process.wait()
            ours.close()
            said.close()
            raise
        output = asyncio.get_running_loop().create_task(_log_output(said, f"{target}[{process.pid}]"))
        return cls(process, reader, writer, output, limits)

    async def request(self, payload: bytes) -> bytes:
        self.progress = ""
        self.requests += 1
        sampling = asyncio.get_running_loop().create_task(self.sample_memory(0.02))
        try:
            return await self._exchange(payload)
        finally:
            sampling.cancel()

    async def sample_memory(self, seconds: float) -> None:
        """Keep the most that the worker held: once it is dead nobody can tell."""
        status = Path(f"/proc/{self._process.pid}/status")
        with contextlib.suppress(OSError, StopIteration):
            while True:
                lines = status.read_text().splitlines()
                self._peak_bytes = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
                await asyncio.sleep(seconds)

    async def _exchange(self, payload: bytes) -> bytes:
        self.write(REQUEST, payload)
        await self._writer.drain()
        while True:
            kind, body = await self.read()
            if kind == PROGRESS:
                self.progress = body.decode(errors="replace")
            elif kind == ERROR:
                error = json.loads(body)
                raise WorkerError(error["kind"], error["message"])
            elif kind in (RESULT, LAST):
                self.leaving = kind == LAST
                return body
            else:
                raise OSError(f"the worker sent an unknown frame {kind!r}")

    def write(self, kind: bytes, body: bytes) -> None:
        self._writer.write(HEADER.pack(kind, len(body)))
        self._writer.write(body)

    async def read(self) -> tuple[bytes, bytes]:
        """The next frame. Raises asyncio.IncompleteReadError or OSError when the worker is gone."""
        kind, length = HEADER.unpack(await self._reader.readexactly(HEADER.size))
        if length > self._limits.result_bytes:
            raise OSError(f"the worker announces {length:,} bytes")
        return kind, await self._reader.readexactly(length)

    def hung_up(self) -> bool:
        return self._reader.at_eof()

    def start_clock(self, seconds: float, expire: Any) -> None:
        self._clock = asyncio.get_running_loop().call_later(seconds, expire, self)

    def stop_clock(self) -> None:
        if self._clock:
            self._clock.cancel()

    def kill(self) -> None:
        """Does nothing to a process that is ending already: its own exit status stays."""
        self.stop_clock()
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGKILL)

    async def end(self) -> None:
        """Hangs up, waits for the process and what it still says."""
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()
        self.kill()
        if self._process.returncode is None:
            _, status, usage = await asyncio.to_thread(os.wait4, self._process.pid, 0)
            self._process.returncode = os.waitstatus_to_exitcode(status)
            peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
            # Linux counts what this process held when it forked: a peak no higher than that says nothing of the worker.
            if peak > resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024:
                self._peak_bytes = max(self._peak_bytes, peak)
        await self._output

    def cause_of_death(self) -> WorkerKilled | WorkerCrashed:
        code = int(self._process.returncode or 0)
        if code == -signal.SIGXCPU:
            return WorkerKilled("cpu", self._limits.cpu_seconds or 0, self.progress)
        # A library that gets no memory aborts, traps or reads address 0: only how much it held tells these from a bug.
        starved = self._peak_bytes > self._limits.memory_bytes // 2
        if code == -signal.SIGKILL or (code < 0 and starved):
            return WorkerKilled("memory", self._limits.memory_bytes, self.progress)
        return WorkerCrashed(code, self.progress)


def _spawn(target: str, limits: Limits, program: str) -> tuple[subprocess.Popen[bytes], socket.socket, socket.socket]:
    """The process, our end of its channel, and our end of what it prints."""
    ours, theirs = socket.socketpair()
    said, says = socket.socketpair()
    command = [sys.executable, "-P", "-X", "utf8", "-m", f"outcrop.processes.{program}"]
    with theirs, says:
        process = subprocess.Popen(
            [*command, target, limits.dumps(), str(os.getpid())],
            stdin=theirs.fileno(),
            stdout=says.fileno(),
            stderr=says.fileno(),
            env=child_environment(*_INHERITED),
            start_new_session=True,
        )
    return process, ours, said


async def _log_output(said: socket.socket, name: str) -> None:
    reader, writer = await asyncio.open_connection(sock=said, limit=1 << 16)
    lines = 0
    try:
        while True:
            try:
                line = await reader.readline()
            except ValueError:
                line = b"(a line too long to log)"
            if not line:
                break
            lines += 1
            if lines <= _OUTPUT_LINES:
                _log.info("%s: %s", name, line[:2000].decode(errors="replace").rstrip())
    except ConnectionResetError:
        pass
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
