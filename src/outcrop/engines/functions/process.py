"""A child process with limits, in a group of its own that dies as one: on request, and with this process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

LINUX = sys.platform == "linux"
PAGE = os.sysconf("SC_PAGE_SIZE") if LINUX else 4096
MAX_PROCESSES = 1024
MAX_FILES = 1024
PIPE_BYTES = 1 << 20
PRLIMIT = "/usr/bin/prlimit"
F_SETSIG, F_SETPIPE_SZ = 10, 1031


class Sandbox:
    """Start with `open()`. `output` is the reading end of what the group writes to stdout and stderr, non-blocking."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        directory: Path,
        memory_mb: int,
        file_mb: int,
        *,
        boxed: bool = False,
    ) -> None:
        self.boxed = boxed
        """Whether the command is bubblewrap's, which kills all that it holds when it ends."""
        self._command = list(command)
        self._environment = dict(environment)
        self._directory = directory
        self._memory = memory_mb << 20
        self._file = file_mb << 20
        self._process: subprocess.Popen[bytes] | None = None
        self._lifeline = -1
        self._inner = 0
        self.output = -1
        self.peak = 0
        """Most memory that was seen in use, in bytes."""

    @property
    def pid(self) -> int:
        assert self._process is not None, "the process isn't started"
        return self._process.pid

    def open(self) -> None:
        """Start the process. Raises OSError if the command can't be run."""
        self.output, write = os.pipe()
        anchor, self._lifeline = os.pipe()
        try:
            os.set_blocking(self.output, False)
            telemetry = os.dup(write)
            try:
                self._process = subprocess.Popen(
                    [*self._limiter(), *self._command],
                    stdin=subprocess.DEVNULL,
                    stdout=write,
                    stderr=write,
                    pass_fds=(anchor, telemetry),
                    start_new_session=True,
                    cwd=self._directory,
                    env={**self._environment, "_LAMBDA_TELEMETRY_LOG_FD": str(telemetry)},
                )
            finally:
                os.close(telemetry)
            self._tie(anchor, write)
            self._limit()
        except BaseException:
            self._close_files()
            raise
        finally:
            os.close(write)
            os.close(anchor)

    def _tie(self, anchor: int, write: int) -> None:
        """Have the kernel kill the whole group when this process ends in whatever way: the group holds one end of a
        pipe whose closing at the other end raises SIGKILL instead of SIGIO."""
        if LINUX:
            import fcntl

            fcntl.fcntl(anchor, fcntl.F_SETOWN, -self.pid)
            fcntl.fcntl(anchor, F_SETSIG, signal.SIGKILL)
            fcntl.fcntl(anchor, fcntl.F_SETFL, fcntl.fcntl(anchor, fcntl.F_GETFL) | os.O_ASYNC)
            with contextlib.suppress(OSError):
                fcntl.fcntl(write, F_SETPIPE_SZ, PIPE_BYTES)

    def _limiter(self) -> list[str]:
        """The beginning of the command in a box: bubblewrap has forked before `_limit` could reach what it starts."""
        if not self.boxed or not os.path.exists(PRLIMIT):
            return []
        return [PRLIMIT, *(f"--{name}={value}" for name, value in self._limits().items()), "--"]

    def _limits(self) -> dict[str, int]:
        data = 4 * self._memory + (2 << 30)  # a backstop: `check` measures what is really in use
        return {"data": data, "fsize": self._file, "nofile": MAX_FILES, "core": 0}

    def _limit(self) -> None:
        if LINUX and not self.boxed:
            import resource

            with contextlib.suppress(OSError, ValueError):
                for name, value in self._limits().items():
                    resource.prlimit(self.pid, getattr(resource, f"RLIMIT_{name.upper()}"), (value, value))

    async def wait(self) -> int:
        """The exit status, negative for a signal, once the process has ended."""
        assert self._process is not None, "the process isn't started"
        if LINUX:
            loop = asyncio.get_running_loop()
            ended = loop.create_future()
            descriptor = os.pidfd_open(self.pid)
            loop.add_reader(descriptor, ended.cancel)
            try:
                await asyncio.wait([ended])
            finally:
                loop.remove_reader(descriptor)
                os.close(descriptor)
            status = self._process.wait()
            return 128 - status if self.boxed and status > 128 else status  # how bubblewrap passes signals on
        return await asyncio.to_thread(self._process.wait)

    def check(self) -> bool:
        """Whether the group keeps within its memory and number of processes; costs some 20 µs a process."""
        if not LINUX:
            return True
        pids = self._descendants()
        used = sum(map(_resident, pids))
        if used > self._memory and len(pids) > 1:  # forked processes share pages: count each page once
            used = sum(map(_proportional, pids))
        self.peak = max(self.peak, used)
        return used <= self._memory and len(pids) <= MAX_PROCESSES

    def measure(self) -> int:
        """The most memory that was ever in use, in bytes."""
        if LINUX:
            with contextlib.suppress(OSError, ValueError):
                with open(f"/proc/{self._runtime()}/status", "rb") as file:
                    status = file.read()
                at = status.index(b"VmHWM:") + 6
                self.peak = max(self.peak, int(status[at : status.index(b"kB", at)]) << 10)
        return self.peak

    def _runtime(self) -> int:
        """The process that was asked for; in a box it is the child of its first process."""
        if not self._inner:
            pid = self.pid
            for _ in range(2 if self.boxed else 0):
                pid = next(iter(_children(pid)), pid)
            self._inner = pid
        return self._inner

    def kill(self) -> None:
        """Kill the group. It is gone once `wait` returns."""
        if self._process is not None:
            escaped = self._descendants() if LINUX else []
            for target in (-self.pid, *escaped[1:]):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(target, signal.SIGKILL) if target > 0 else os.killpg(-target, signal.SIGKILL)

    def close(self) -> None:
        """Kill what is left of the group and let go of it."""
        self.kill()
        self._close_files()

    def kill_escaped(self, mark: str) -> None:
        """Kill what left the group and lost its parents, wherever it is: all whose environment has `mark`, which
        must be this group's alone. Blocks for some milliseconds."""
        if not LINUX:
            return
        sought = mark.encode()
        for folder in os.scandir("/proc"):
            if folder.name.isdecimal():
                with contextlib.suppress(OSError), open(f"/proc/{folder.name}/environ", "rb") as file:
                    if sought in file.read().split(b"\0"):
                        os.kill(int(folder.name), signal.SIGKILL)

    def _close_files(self) -> None:
        for descriptor in (self.output, self._lifeline):
            if descriptor >= 0:
                os.close(descriptor)
        self.output = self._lifeline = -1

    def _descendants(self) -> list[int]:
        found = [self.pid]
        for pid in found:
            if len(found) > 2 * MAX_PROCESSES:
                break
            found.extend(_children(pid))
        return found


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", "rb") as file:
                found.extend(map(int, file.read().split()))
    return found


def _resident(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            return int(file.read().split()[1]) * PAGE
    except (OSError, IndexError):
        return 0


def _proportional(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
            text = file.read()
        at = text.index(b"Pss:") + 4
        return int(text[at : text.index(b"kB", at)]) << 10
    except (OSError, ValueError):
        return _resident(pid)
