"""The worker's side: `python -m outcrop.processes.worker MODULE:FUNCTION LIMITS PARENT`, speaking frames on fd 0.

The function takes `(payload: bytes, report: Callable[[str], None])` and returns bytes. This module imports little:
each worker pays for it.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from outcrop.processes.frames import ERROR, HEADER, LAST, PROGRESS, REQUEST, RESULT, frame
from outcrop.processes.limits import Limits

Target = Callable[[bytes, Callable[[str], None]], bytes]

_PR_SET_PDEATHSIG = 1


def main() -> None:
    target, channel, limits = enter()
    serve(channel, target, limits)


def enter() -> tuple[Any, int, Limits]:
    """Take the limits on; the function to run, and the descriptor of the channel."""
    target_name, limits_text, parent = sys.argv[1:4]
    limits = Limits.loads(limits_text)
    _die_with_parent(int(parent))
    _limit_memory(limits)
    channel = os.dup(0)  # never closed: the parent hears the end of it from the kernel, with the exit status set
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, 0)
    os.close(nowhere)
    module, _, function = target_name.partition(":")
    return getattr(importlib.import_module(module), function), channel, limits


def serve(channel: int, target: Target, limits: Limits) -> None:
    def report(progress: str) -> None:
        write(channel, frame(PROGRESS, progress[:1000].encode()))

    while (payload := receive(channel)) is not None:
        _limit_cpu(limits)
        try:
            result = target(payload, report)
        except Exception as error:
            write(channel, _error(type(error).__name__, str(error)))
            continue
        if len(result) > limits.result_bytes:
            write(channel, _error("ResultTooLarge", f"the result has {len(result):,} bytes"))
            continue
        leaving = _peak_bytes() > limits.retire_bytes
        write(channel, HEADER.pack(LAST if leaving else RESULT, len(result)))
        write(channel, result)
        if leaving:
            return


def _error(kind: str, message: str) -> bytes:
    return frame(ERROR, json.dumps({"kind": kind, "message": message[:10_000]}).encode())


def receive(channel: int) -> bytes | None:
    """One request or message, or None when the parent has hung up."""
    header = _read(channel, HEADER.size)
    if header is None:
        return None
    kind, length = HEADER.unpack(header)
    if kind != REQUEST:
        raise ValueError(f"expected a request, got {kind!r}")
    return _read(channel, length)


def _read(channel: int, count: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < count:
        try:
            part = os.read(channel, min(count - len(parts), 1 << 20))
        except ConnectionResetError:
            return None
        if not part:
            return None
        parts += part
    return bytes(parts)


def write(channel: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(channel, rest) :]


def _die_with_parent(parent: int) -> None:
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the parent is gone")


def _limit_memory(limits: Limits) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "darwin":
        return
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    bytes_ = limits.memory_bytes if hard == resource.RLIM_INFINITY else min(limits.memory_bytes, hard)
    resource.setrlimit(resource.RLIMIT_AS, (bytes_, bytes_))


def _limit_cpu(limits: Limits) -> None:
    if limits.cpu_seconds is None:
        return
    import resource

    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time()) + 1 + limits.cpu_seconds, hard))


def _peak_bytes() -> int:
    """The most memory that this program held. Linux's ru_maxrss would count the parent that it was forked from."""
    if sys.platform == "linux":
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:"))
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main()
