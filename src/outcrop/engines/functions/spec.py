"""What goes into a function host and what comes out of it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from outcrop.engines.functions.stream import AnswerStream

Line = tuple[int, str]
"""A log line: milliseconds since the epoch, and the text with its line end."""

Status = Literal["success", "error", "timeout"]

MAX_STREAMED = 200 * 1024 * 1024
MAX_RESPONSE = 6 * 1024 * 1024 + 100
"""Bytes that an answer may have: AWS's 6,291,556."""


class Busy(Exception):
    """All environments that may run at once are at work."""


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """One immutable state of a function. Environments started for equal keys are interchangeable."""

    key: str
    runtime: str
    """`python3.12`, `nodejs22.x`, `provided.al2023`."""
    handler: str
    code: Path
    """The unpacked code: the function's working directory."""
    layers: tuple[Path, ...] = ()
    """Unpacked layers, lowest first."""
    memory_mb: int = 128
    timeout_s: float = 3.0
    storage_mb: int = 512
    """The largest file that it may write."""
    tag: object = field(default=None, compare=False)
    """The owner's own, carried along."""


@dataclass(frozen=True, slots=True)
class Invocation:
    request_id: str
    payload: bytes
    """JSON."""
    function: str = "function"
    """What the runtime is told it was invoked as (`Lambda-Runtime-Invoked-Function-Arn`)."""
    client_context: str | None = None
    """JSON."""
    trace_id: str = ""
    stream: AnswerStream | None = None
    """Takes the answer of a function that streams it; `Outcome.payload` is empty then."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an invocation ended. A failure's payload is the JSON that describes it."""

    payload: bytes
    status: Status
    environment: str
    """The environment's id."""
    error_type: str = ""
    duration_ms: float = 0.0
    init_ms: float | None = None
    """How long starting the environment took, if this invocation is its first."""
    max_memory_mb: int = 0
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class EnvironmentInfo:
    id: str
    """32 hex digits."""
    spec: FunctionSpec
    provisioned: bool = False
    """Started before anybody asked for it."""
    started_at: float = field(default_factory=time.time)


@dataclass(frozen=True, slots=True)
class Variables:
    """The environment variables of a new environment; after `expires_at` (epoch seconds) it takes no more work."""

    values: Mapping[str, str]
    expires_at: float = float("inf")


class Owner(Protocol):
    """Supplies what environments start with and hears all that happens in them, in order. The events run on the event
    loop and must be quick; `environment.id` tells environments apart."""

    async def prepare(self, environment: EnvironmentInfo) -> Variables: ...

    def init_started(self, environment: EnvironmentInfo, note: str) -> None:
        """`note` says in what the runtime differs from the one that was asked for; usually empty."""
        ...

    def init_failed(self, environment: EnvironmentInfo, outcome: Outcome) -> None: ...

    def invoke_started(self, environment: EnvironmentInfo, invocation: Invocation) -> None: ...

    def invoke_ended(self, environment: EnvironmentInfo, invocation: Invocation, outcome: Outcome) -> None: ...

    def output(self, environment: EnvironmentInfo, lines: Sequence[Line]) -> bool:
        """Lines that the function wrote. False: no more for now; the environment's output is held back until
        `FunctionHost.resume(environment.id)`."""
        ...

    def closed(self, environment: EnvironmentInfo) -> None: ...
