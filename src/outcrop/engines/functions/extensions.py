"""The Extensions API and the basics of the Telemetry (and Logs) API: programs beside the runtime, in the same
environment, that hear of its invocations.

    POST /2020-01-01/extension/register         names an extension, and the events that it wants
    GET  /2020-01-01/extension/event/next       waits for one
    POST /2020-01-01/extension/{init,exit}/error
    PUT  /2022-07-01/telemetry, /2020-08-15/logs   has records sent to a listener of the extension's
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol
from urllib.parse import urlsplit

from outcrop.engines.functions.spec import Line

SHUTDOWN_SECONDS = 2.0
FLUSH_SECONDS = 0.1
MAX_WAITING = 10_000
EVENTS = {"INVOKE", "SHUTDOWN"}


class Waiting(Protocol):
    """A connection on which an extension waits."""

    @property
    def is_open(self) -> bool: ...

    def reply(self, status: int, headers: Sequence[tuple[str, str]], body: bytes) -> bool: ...


@dataclass(slots=True)
class Extension:
    name: str
    id: str
    wants: set[str]
    waiting: Waiting | None = None
    """The connection on which it asked for the next event."""
    events: list[dict[str, Any]] = field(default_factory=list)
    """What it hasn't asked for yet."""

    @property
    def is_ready(self) -> bool:
        return self.waiting is not None

    def tell(self, event: dict[str, Any]) -> None:
        if event["eventType"] in self.wants:
            self.events.append(event)
            self.deliver()

    def deliver(self) -> None:
        if self.waiting is not None and self.events:
            waiting, self.waiting = self.waiting, None
            waiting.reply(200, [("Lambda-Extension-Event-Identifier", str(uuid.uuid4()))], _json(self.events.pop(0)))


@dataclass(frozen=True, slots=True)
class Subscription:
    host: str
    port: int
    path: str
    types: frozenset[str]


class Extensions:
    """`expected` is how many programs were started that should register; `on_change` is called when one has become
    ready. `about` answers the function's name, version and handler."""

    def __init__(self, about: Callable[[], dict[str, str]], on_change: Callable[[], None]) -> None:
        self.expected = 0
        self._about = about
        self._on_change = on_change
        self._all: dict[str, Extension] = {}
        self._telemetry: list[Subscription] = []
        self._records: list[dict[str, Any]] = []
        self._sending: asyncio.Task[None] | None = None

    @property
    def are_ready(self) -> bool:
        """Whether all have asked for the next event."""
        return len(self._all) >= self.expected and all(extension.is_ready for extension in self._all.values())

    # what they ask

    def register(self, connection: Waiting, name: str, body: bytes) -> None:
        try:
            wants = set(json.loads(body or b"{}").get("events") or ())
        except (ValueError, AttributeError, TypeError):
            wants = {""}
        if not name or not wants <= EVENTS:
            _refuse(connection, 400, "Extension.InvalidRequest", "A name and the events INVOKE or SHUTDOWN are wanted")
            return
        extension = Extension(name, str(uuid.uuid4()), wants)
        self._all[extension.id] = extension
        connection.reply(200, [("Lambda-Extension-Identifier", extension.id)], _json(self._about()))

    def next(self, connection: Waiting, identifier: str) -> None:
        extension = self._all.get(identifier)
        if extension is None:
            _refuse(connection, 403, "Extension.UnknownExtensionIdentifier", "Unknown extension identifier")
            return
        extension.waiting = connection
        extension.deliver()
        if extension.is_ready:
            self._on_change()

    def named(self, identifier: str) -> str:
        """The name of an extension; empty for an unknown one."""
        return self._all[identifier].name if identifier in self._all else ""

    def subscribe(self, connection: Waiting, identifier: str, body: bytes) -> None:
        if identifier not in self._all:
            _refuse(connection, 403, "Extension.UnknownExtensionIdentifier", "Unknown extension identifier")
            return
        try:
            wanted = json.loads(body)
            url = urlsplit(wanted["destination"].get("URI") or wanted["destination"]["uri"])
            if url.scheme != "http" or url.port is None:
                raise ValueError
            # `sandbox.localdomain` is what AWS calls the environment itself
            subscription = Subscription("127.0.0.1", url.port, url.path or "/", frozenset(wanted["types"]))
        except (ValueError, KeyError, TypeError, AttributeError):
            _refuse(
                connection, 400, "ValidationError", "types, and destination with protocol HTTP and a URI, are wanted"
            )
            return
        self._telemetry.append(subscription)
        connection.reply(200, (), b"OK")

    # what they are told

    def invoke(self, request_id: str, deadline: float, function: str, trace_id: str) -> None:
        event: dict[str, Any] = {
            "eventType": "INVOKE",
            "deadlineMs": int(deadline * 1000),
            "requestId": request_id,
            "invokedFunctionArn": function,
        }
        if trace_id:
            event["tracing"] = {"type": "X-Amzn-Trace-Id", "value": trace_id}
        for extension in self._all.values():
            extension.tell(event)

    def shutdown(self, reason: str, deadline: float) -> bool:
        """False: there is none that wants to hear of it."""
        told = [extension for extension in self._all.values() if extension.is_ready and "SHUTDOWN" in extension.wants]
        for extension in told:
            extension.tell({"eventType": "SHUTDOWN", "shutdownReason": reason, "deadlineMs": int(deadline * 1000)})
        return bool(told)

    # telemetry

    def record(self, kind: str, record: dict[str, Any] | str) -> None:
        """`kind` such as `platform.start` or `function`."""
        family = kind.partition(".")[0]
        if any(family in subscription.types for subscription in self._telemetry):
            self._records.append({"time": _now(), "type": kind, "record": record})
            del self._records[:-MAX_WAITING]
            if self._sending is None or self._sending.done():
                self._sending = asyncio.get_running_loop().create_task(self._send(), name="send telemetry")

    def lines(self, lines: Sequence[Line]) -> None:
        if self._telemetry:
            for _, text in lines:
                self.record("function", text)

    async def _send(self) -> None:
        while self._records:
            await asyncio.sleep(FLUSH_SECONDS)
            records, self._records = self._records, []
            for subscription in self._telemetry:
                wanted = [record for record in records if record["type"].partition(".")[0] in subscription.types]
                if wanted:
                    with contextlib.suppress(OSError, TimeoutError):
                        async with asyncio.timeout(1):
                            await _post(subscription, _json(wanted))

    def close(self) -> None:
        if self._sending is not None:
            self._sending.cancel()


async def _post(subscription: Subscription, body: bytes) -> None:
    reader, writer = await asyncio.open_connection(subscription.host, subscription.port)
    try:
        head = (
            f"POST {subscription.path} HTTP/1.1\r\nHost: sandbox.localdomain:{subscription.port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        writer.write(head.encode() + body)
        await reader.read(4096)
    finally:
        writer.close()


def _refuse(connection: Waiting, status: int, error_type: str, message: str) -> None:
    connection.reply(status, (), _json({"errorType": error_type, "errorMessage": message}))


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
