"""How a request to a worker fails."""

from __future__ import annotations

import signal
from typing import Literal


class WorkerError(Exception):
    """The worker's function raised: `kind` is its exception's class name, the text its message. The worker lives."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class WorkerFailure(Exception):
    """The worker is lost and will be replaced. `progress` is what it reported last, or empty."""

    def __init__(self, message: str, progress: str = "") -> None:
        super().__init__(f"{message} ({progress})" if progress else message)
        self.progress = progress


class WorkerTimeout(WorkerFailure):
    def __init__(self, seconds: float, progress: str = "") -> None:
        super().__init__(f"the worker took longer than {seconds:g} s", progress)
        self.seconds = seconds


class WorkerKilled(WorkerFailure):
    """It used more than it may of `resource`."""

    def __init__(self, resource: Literal["memory", "cpu"], limit: float, progress: str = "") -> None:
        amount = f"{limit / 2**20:,.0f} MiB of memory" if resource == "memory" else f"{limit:g} s of processor time"
        super().__init__(f"the worker needed more than {amount}", progress)
        self.resource: Literal["memory", "cpu"] = resource


class WorkerCrashed(WorkerFailure):
    """It ended by itself. `code` is its exit status, negative for a signal."""

    def __init__(self, code: int, progress: str = "") -> None:
        super().__init__(f"the worker ended with {name_of(code)}", progress)
        self.code = code


def name_of(code: int) -> str:
    """`signal SIGSEGV`, or `exit status 1`."""
    if code >= 0:
        return f"exit status {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"
