"""An OpenAI-compatible endpoint that answers from a script, for tests of what talks to a language model.

async with ScriptedEndpoint(Reply(("Hel", "lo"), delay=0.05)) as endpoint:
    ...  # endpoint.url + "#any-name" is what `outcrop up --llm` takes
    assert endpoint.requests[0]["messages"] == [{"role": "user", "content": "Hi"}]
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any


@dataclass(frozen=True, slots=True)
class Reply:
    """What one request gets. `pieces` are texts, or the `delta` objects themselves."""

    pieces: Sequence[str | Mapping[str, Any]] = ("Hello",)
    delay: float = 0.0
    """Seconds before each piece."""
    finish: str | None = "stop"
    """The finish reason; None: the stream ends without one."""
    usage: tuple[int, int] | Mapping[str, Any] | None = (11, 7)
    """Prompt and completion tokens, or the `usage` object itself; None: not told."""
    status: int = 200
    error: str = "no"
    """The message of an answer whose status isn't 200."""
    headers: Mapping[str, str] = field(default_factory=dict)
    broken_after: int | None = None
    """The connection is cut after so many pieces."""


class ScriptedEndpoint:
    """Gives its replies in order; the last one again and again."""

    def __init__(self, *replies: Reply) -> None:
        self._replies = replies or (Reply(),)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.url = ""
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.sent = 0
        """Pieces sent so far."""
        self.abandoned = 0
        """Streams that the client closed before their end."""

    async def __aenter__(self) -> ScriptedEndpoint:
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
            body = await reader.readexactly(int(fields.get("content-length", "0")))
            reply = self._replies[min(len(self.requests), len(self._replies) - 1)]
            self.requests.append(json.loads(body))
            self.headers.append(fields)
            await self._answer(reader, writer, reply)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, reply: Reply) -> None:
        extra = "".join(f"{name}: {value}\r\n" for name, value in reply.headers.items())
        if reply.status != 200:
            error = json.dumps({"error": {"message": reply.error}}).encode()
            head = f"HTTP/1.1 {reply.status} Scripted\r\nContent-Type: application/json\r\n{extra}"
            writer.write(f"{head}Content-Length: {len(error)}\r\nConnection: close\r\n\r\n".encode() + error)
            await writer.drain()
            return
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n{extra}Connection: close\r\n"
        writer.write(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        await writer.drain()
        gone = asyncio.ensure_future(reader.read(1))
        try:
            if await self._stream(writer, reply, gone):
                writer.write(_chunk(b"data: [DONE]\n\n") + _chunk(b""))
                await writer.drain()
        except ConnectionError:
            self.abandoned += 1
        finally:
            gone.cancel()

    async def _stream(self, writer: asyncio.StreamWriter, reply: Reply, gone: asyncio.Future[bytes]) -> bool:
        for index, piece in enumerate(reply.pieces):
            if reply.broken_after == index:
                writer.transport.abort()
                return False
            if reply.delay:
                await asyncio.wait([gone], timeout=reply.delay)
            if gone.done():
                self.abandoned += 1
                return False
            delta = {"content": piece} if isinstance(piece, str) else piece
            writer.write(_event({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}))
            await writer.drain()
            self.sent += 1
        if reply.finish is not None:
            writer.write(_event({"choices": [{"index": 0, "delta": {}, "finish_reason": reply.finish}]}))
        if reply.usage is not None:
            told: Mapping[str, Any] | tuple[int, int] = reply.usage
            if isinstance(told, tuple):
                told = {"prompt_tokens": told[0], "completion_tokens": told[1]}
            writer.write(_event({"choices": [], "usage": told}))
        await writer.drain()
        return True


def _event(chunk: Mapping[str, Any]) -> bytes:
    return _chunk(f"data: {json.dumps(chunk)}\n\n".encode())


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)
