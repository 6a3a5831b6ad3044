"""The Lambda Runtime API over HTTP/1.1 on a loopback port: one small server for each environment, so that no
environment can reach another's work.

    GET  /2018-06-01/runtime/invocation/next            waits for work
    POST /2018-06-01/runtime/invocation/<id>/response   ends it, maybe in chunks
    POST /2018-06-01/runtime/invocation/<id>/error      ends it
    POST /2018-06-01/runtime/init/error                 ends the environment
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol, cast

import httptools

from outcrop.engines.functions.spec import MAX_RESPONSE, Invocation

if TYPE_CHECKING:
    from collections.abc import Sequence

PREFIX = b"/2018-06-01/runtime/"
REASONS = {200: "OK", 202: "Accepted", 400: "Bad Request", 403: "Forbidden", 404: "Not Found", 413: "Payload Too Large"}


class Conversation(Protocol):
    """The environment's side."""

    def next(self, connection: Connection) -> bool:
        """The runtime waits for work on this connection; False if another connection already does."""
        ...

    def current(self) -> str:
        """The id of the invocation that is running, or an empty string."""
        ...

    def answered(self, body: bytes, size: int, headers: Mapping[bytes, bytes]) -> None:
        """The result; `body` is cut when `size` is more than may be sent."""
        ...

    def failed(self, body: bytes, error_type: str) -> None: ...

    def init_failed(self, body: bytes, error_type: str) -> None: ...


class RuntimeApi:
    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._server: asyncio.Server | None = None
        self._connections: set[Connection] = set()

    async def open(self) -> str:
        """Listen; answers `host:port`."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Connection(self._conversation, self._connections), "127.0.0.1", 0
        )
        host, port = self._server.sockets[0].getsockname()[:2]
        return f"{host}:{port}"

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in list(self._connections):
            connection.abort()


class Connection(asyncio.Protocol):
    def __init__(self, conversation: Conversation, siblings: set[Connection]) -> None:
        self._conversation = conversation
        self._siblings = siblings
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._reset()

    def _reset(self) -> None:
        self._target = b""
        self._headers: dict[bytes, bytes] = {}
        self._body: list[bytes] = []
        self._size = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._siblings.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._siblings.discard(self)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.abort()

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # what httptools calls

    def on_message_begin(self) -> None:
        self._reset()

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        if self._headers.get(b"expect", b"").lower() == b"100-continue" and self._transport is not None:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        if self._size <= MAX_RESPONSE:
            self._body.append(body)
        else:
            self._body.clear()

    def on_message_complete(self) -> None:
        method: bytes = self._parser.get_method()
        target = self._target
        if not target.startswith(PREFIX):
            return self._refuse(404, "Runtime.UnknownPath", f"There is nothing at {target.decode('latin-1')}")
        parts = target[len(PREFIX) :].split(b"/")
        match [method, *parts]:
            case [b"GET", b"invocation", b"next"]:
                if not self._conversation.next(self):
                    self._refuse(403, "InvalidStateTransition", "The runtime is already waiting for an invocation")
            case [b"POST", b"invocation", request_id, (b"response" | b"error") as ending]:
                self._end(request_id.decode("latin-1"), ending == b"error")
            case [b"POST", b"init", b"error"]:
                self.reply(202, (), b'{"status":"OK"}')
                self._conversation.init_failed(b"".join(self._body), self._error_type())
            case _:
                self._refuse(404, "Runtime.UnknownPath", f"There is no {method.decode()} {target.decode('latin-1')}")
        return None

    # what is answered

    def _end(self, request_id: str, error: bool) -> None:
        if request_id != self._conversation.current():
            self._refuse(400, "InvalidRequestID", "Invalid request ID")
            return
        if self._size > MAX_RESPONSE:
            self._refuse(413, "RequestEntityTooLarge", f"Exceeded maximum allowed payload size ({MAX_RESPONSE} bytes).")
        else:
            self.reply(202, (), b'{"status":"OK"}')
        body = b"".join(self._body)
        if error or self._error_type():
            self._conversation.failed(body, self._error_type())
        else:
            self._conversation.answered(body, self._size, self._headers)

    def _error_type(self) -> str:
        return self._headers.get(b"lambda-runtime-function-error-type", b"").decode("latin-1")

    def _refuse(self, status: int, error_type: str, message: str) -> None:
        self.reply(status, (), json.dumps({"errorMessage": message, "errorType": error_type}).encode())

    def send(self, invocation: Invocation, deadline: float) -> bool:
        """Answer `next`. False: the runtime has hung up."""
        headers = [
            ("Lambda-Runtime-Aws-Request-Id", invocation.request_id),
            ("Lambda-Runtime-Deadline-Ms", str(int(deadline * 1000))),
            ("Lambda-Runtime-Invoked-Function-Arn", invocation.function),
        ]
        if invocation.trace_id:
            headers.append(("Lambda-Runtime-Trace-Id", invocation.trace_id))
        if invocation.client_context:
            headers.append(("Lambda-Runtime-Client-Context", " ".join(invocation.client_context.split())))
        return self.reply(200, headers, invocation.payload)

    def reply(self, status: int, headers: Sequence[tuple[str, str]], body: bytes) -> bool:
        if self._transport is None or self._transport.is_closing():
            return False
        date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())
        lines = [
            f"HTTP/1.1 {status} {REASONS[status]}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            f"Date: {date}",
            *(f"{name}: {value}" for name, value in headers),
        ]
        head = "\r\n".join(lines).encode("utf-8", "replace") + b"\r\n\r\n"
        self._transport.write(head + body if len(body) < 65536 else head)
        if len(body) >= 65536:
            self._transport.write(body)
        return True
