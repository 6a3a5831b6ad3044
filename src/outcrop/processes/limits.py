"""What one request to a child process may use."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    wall_seconds: float = 60.0
    """Time of one request; the parent kills the worker that takes longer."""
    cpu_seconds: int | None = None
    """Processor time of one request; the kernel kills the worker that takes more."""
    memory_bytes: int = 1024 * MIB
    """Address space of a worker. Not enforced where the kernel can't (macOS)."""
    result_bytes: int = 64 * MIB
    """Size of one result."""
    requests: int = 200
    """After so many requests a worker is replaced."""
    retire_bytes: int = 256 * MIB
    """A worker that has ever held more than this is replaced after its request."""
    idle_seconds: float = 20.0
    """A worker without work for so long is closed."""

    def dumps(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def loads(cls, text: str) -> Limits:
        return cls(**json.loads(text))
