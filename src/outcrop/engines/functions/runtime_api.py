"""The Lambda Runtime API over HTTP/1.1 on a loopback port: one small server for each environment, so that no
environment can reach another's work. The Extensions API (`extensions.py`) is answered there too.

    GET  /2018-06-01/runtime/invocation/next            waits for work
    POST /2018-06-01/runtime/invocation/<id>/response   ends it, maybe in chunks
    POST /2018-06-01/runtime/invocation/<id>/error      ends it
    POST /2018-06-01/runtime/init/error                 ends the environment
    GET  /2018-06-01/runtime/restore/next               answers at once: nothing is restored from a snapshot here

A response is streamed on while it comes if the runtime says so (`Lambda-Runtime-Function-Response-Mode: streaming`) and
the caller takes it so; an error in its midst comes in trailers.
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol, cast

import httptools

from outcrop.engines.functions.extensions import Extensions
from outcrop.engines.functions.spec import MAX_RESPONSE, MAX_STREAMED, Invocation
from outcrop.engines.functions.stream import AnswerStream

if TYPE_CHECKING:
    from collections.abc import Sequence

PREFIX = b"/2018-06-01/runtime/"
OTHERS = (b"/2020-01-01/", b"/2022-07-01/", b"/2020-08-15/")
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

    def stream(self) -> AnswerStream | None:
        """Where a streamed answer to the current invocation goes; None: it is gathered."""
        ...

    def extension_failed(self, name: str, error_type: str) -> None: ...

    @property
    def extensions(self) -> Extensions: ...


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
        self._stream: AnswerStream | None = None
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

        if self._headers.get(b"lambda-runtime-function-response-mode", b"").lower() == b"streaming":
            self._begin_stream()

    def _begin_stream(self) -> None:
        parts = self._target.removeprefix(PREFIX).split(b"/")
        if parts[0] == b"invocation" and parts[1:] == [self._conversation.current().encode(), b"response"]:
            self._stream = self._conversation.stream()
        if self._stream is not None:
            content_type = self._headers.get(b"content-type", b"application/octet-stream").decode("latin-1")
            self._stream.begin(content_type, self._pause, self._resume)

    def _pause(self) -> None:
        if self.is_open and self._transport is not None:
            self._transport.pause_reading()

    def _resume(self) -> None:
        if self.is_open and self._transport is not None:
            self._transport.resume_reading()

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        if self._stream is not None:
            if self._size <= MAX_STREAMED:
                self._stream.feed(body)
        elif self._size <= MAX_RESPONSE:
            self._body.append(body)
        else:
            self._body.clear()

    def on_message_complete(self) -> None:
        method: bytes = self._parser.get_method()
        target = self._target
        if target.startswith(OTHERS):
            return self._serve_extension(method, target)
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
            case [b"GET", b"restore", b"next"]:
                self.reply(200, (), b"{}")
            case [b"POST", b"restore", b"error"]:
                self.reply(202, (), b'{"status":"OK"}')
                self._conversation.init_failed(b"".join(self._body), self._error_type())
            case _:
                self._refuse(404, "Runtime.UnknownPath", f"There is no {method.decode()} {target.decode('latin-1')}")
        return None

    def _serve_extension(self, method: bytes, target: bytes) -> None:
        extensions, body = self._conversation.extensions, b"".join(self._body)
        identifier = self._headers.get(b"lambda-extension-identifier", b"").decode("latin-1")
        match [method, *target[1:].split(b"/")]:
            case [b"POST", b"2020-01-01", b"extension", b"register"]:
                extensions.register(self, self._headers.get(b"lambda-extension-name", b"").decode("latin-1"), body)
            case [b"GET", b"2020-01-01", b"extension", b"event", b"next"]:
                extensions.next(self, identifier)
            case [b"POST", b"2020-01-01", b"extension", (b"init" | b"exit"), b"error"] if extensions.named(identifier):
                self.reply(202, (), b'{"status":"OK"}')
                kind = self._headers.get(b"lambda-extension-function-error-type", b"").decode("latin-1")
                self._conversation.extension_failed(extensions.named(identifier), kind or "Extension.Crash")
            case [b"PUT", b"2022-07-01", b"telemetry"] | [b"PUT", b"2020-08-15", b"logs"]:
                extensions.subscribe(self, identifier, body)
            case _:
                self._refuse(404, "Extension.UnknownPath", f"There is no {method.decode()} {target.decode('latin-1')}")

    # what is answered

    def _end(self, request_id: str, error: bool) -> None:
        if request_id != self._conversation.current():
            self._refuse(400, "InvalidRequestID", "Invalid request ID")
            return
        stream = self._stream
        if self._size > (MAX_RESPONSE if stream is None else MAX_STREAMED):
            self._refuse(413, "RequestEntityTooLarge", f"Exceeded maximum allowed payload size ({MAX_RESPONSE} bytes).")
        else:
            self.reply(202, (), b'{"status":"OK"}')
        body = b"".join(self._body)
        if self._error_type() and not error:  # a streamed answer that broke off
            body = _decoded(self._headers.get(b"lambda-runtime-function-error-body", b""))
        if stream is not None and self._size <= MAX_STREAMED:
            self._size = 0
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


def _decoded(text: bytes) -> bytes:
    try:
        return base64.b64decode(text)
    except ValueError:
        return b""
