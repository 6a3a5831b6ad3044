"""What protocols take and give: a request's parts, an answer, and the interface that all five share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from outcrop.wire.errors import Failure
from outcrop.wire.models.shapes import Model, Operation


@dataclass(slots=True)
class Parts:
    """A routed request, as much of it as protocols look at."""

    labels: Mapping[str, str]
    """The path's labels by their names in the template, still percent-encoded."""
    query: Sequence[tuple[str, str]]
    """Decoded, in order."""
    headers: Mapping[str, str]
    """Names in lower case; repeated headers joined by commas."""
    body: bytes | AsyncIterator[bytes]
    """An iterator only for operations that stream in."""


@dataclass(slots=True)
class Answer:
    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes | AsyncIterator[bytes] = b""


class WireProtocol(Protocol):
    name: str
    """As the models call it."""

    def parse(self, model: Model, operation: Operation, parts: Parts) -> dict[str, Any]:
        """The operation's input. Raises `Unreadable` for single values, a `ServiceError` for whole bodies."""
        ...

    def serialize(self, model: Model, operation: Operation, result: Mapping[str, Any], request_id: str) -> Answer: ...

    def error(self, model: Model | None, failure: Failure, request_id: str) -> Answer: ...
