"""Plain HTTP beside the AWS APIs, for products whose promise is HTTP itself: an HTTP API's own URL, an S3 website,
a presigned POST form. Only a service's `surface.py` may import this (see docs/decisions/0001-contracts.md)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from outcrop.services.contract import Context, Principal


@dataclass(frozen=True, slots=True)
class HttpRequest:
    method: str
    host: str
    """The Host header without the port, lower case."""
    raw_path: str
    """Percent-encoded, exactly as it arrived, without the query."""
    raw_query: str
    headers: Sequence[tuple[str, str]]
    """Names in lower case, in order of arrival, duplicates kept."""
    body: AsyncIterator[bytes]
    scheme: str = "http"
    port: int = 4566
    source_ip: str = "127.0.0.1"
    identify: Callable[[bytes], Principal | None] = lambda body: None
    """Who signed the request, given its whole body; None for an unsigned one. Raises PermissionError with what is wrong
    about the signature."""

    def header(self, name: str) -> str | None:
        """The first value of header `name` (lower case), or None."""
        return next((value for key, value in self.headers if key == name), None)


@dataclass(frozen=True, slots=True)
class HttpResponse:
    status: int
    headers: Sequence[tuple[str, str]] = field(default_factory=tuple)
    body: bytes | AsyncIterator[bytes] = b""


class Surface(Protocol):
    def matches(self, request: HttpRequest) -> bool:
        """Decide from method, host, path, query and headers alone; cheap: it runs before the APIs are routed."""
        ...

    async def handle(self, request: HttpRequest, context: Callable[[str, str], Context]) -> HttpResponse:
        """Answer. `context(account, region)` makes an anonymous caller's context."""
        ...


class Socket(Protocol):
    """One WebSocket connection, from its handshake on."""

    ended: tuple[int, str]
    """Code and reason, once `receive` has answered None."""

    async def accept(self, headers: Sequence[tuple[str, str]] = ()) -> None: ...

    async def refuse(self, response: HttpResponse) -> None:
        """Answer the handshake with HTTP instead; the body is bytes."""
        ...

    async def receive(self) -> str | bytes | None:
        """The next message; None at the end."""
        ...

    async def send(self, data: str | bytes) -> None:
        """Raises OSError once the client has left."""
        ...

    async def close(self, code: int = 1000, reason: str = "") -> None: ...


@runtime_checkable
class SocketSurface(Protocol):
    """A surface that takes WebSockets too: `matches` decides on the handshake."""

    def matches(self, request: HttpRequest) -> bool: ...

    async def converse(self, request: HttpRequest, socket: Socket) -> None:
        """Accept or refuse, and stay until the connection has ended."""
        ...
