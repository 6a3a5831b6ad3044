"""WebSockets over ASGI: finds the surface that takes a handshake, and gives it the connection."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from outcrop.services.surface import HttpResponse, SocketSurface
from outcrop.wire.body import Receive
from outcrop.wire.context import Exchange
from outcrop.wire.pipeline import identify_caller, present

if TYPE_CHECKING:
    from outcrop.wire.gateway import Gateway, Send

log = logging.getLogger("outcrop.wire")


async def serve_socket(gateway: Gateway, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    """From the handshake to the end of the connection."""
    exchange = Exchange.read({**scope, "method": "GET", "scheme": "http"}, receive)
    request = present(exchange, partial(identify_caller, gateway, exchange))
    socket = AsgiSocket(receive, send)
    await receive()
    try:
        for surface in gateway.surfaces(build=True):
            if isinstance(surface, SocketSurface) and surface.matches(request):
                await gateway.start_rooms()
                await surface.converse(request, socket)
                return
        body = b'{"message":"No WebSocket API answers here."}'
        await socket.refuse(HttpResponse(404, [("content-type", "application/json")], body))
    except OSError:
        return
    except Exception:
        log.exception("a WebSocket connection to %s failed", exchange.raw_path)
        await socket.fail()


class AsgiSocket:
    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._state = "asked"
        self.ended = (1006, "")

    async def accept(self, headers: Sequence[tuple[str, str]] = ()) -> None:
        protocol = next((value for name, value in headers if name == "sec-websocket-protocol"), None)
        rest = [(n.encode("latin-1"), v.encode("latin-1")) for n, v in headers if n != "sec-websocket-protocol"]
        await self._send({"type": "websocket.accept", "subprotocol": protocol, "headers": rest})
        self._state = "open"

    async def refuse(self, response: HttpResponse) -> None:
        headers = [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in response.headers]
        await self._send({"type": "websocket.http.response.start", "status": response.status, "headers": headers})
        assert isinstance(response.body, bytes)
        await self._send({"type": "websocket.http.response.body", "body": response.body})
        self._state = "over"

    async def receive(self) -> str | bytes | None:
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            self._state = "over"
            self.ended = (message.get("code", 1006), message.get("reason") or "")
            return None
        text: str | None = message.get("text")
        if text is not None:
            return text
        content: bytes = message.get("bytes") or b""
        return content

    async def send(self, data: str | bytes) -> None:
        """Raises OSError once the client has left."""
        if self._state != "open":
            raise OSError("the connection is closed")
        kind = "text" if isinstance(data, str) else "bytes"
        await self._send({"type": "websocket.send", kind: data})

    async def close(self, code: int = 1000, reason: str = "") -> None:
        if self._state == "open":
            self._state = "over"
            self.ended = (code, reason)
            await self._send({"type": "websocket.close", "code": code, "reason": reason})

    async def fail(self) -> None:
        """End it, whatever state it is in."""
        try:
            if self._state == "open":
                await self.close(1011, "Internal server error")
            elif self._state == "asked":
                await self.refuse(
                    HttpResponse(500, [("content-type", "application/json")], b'{"message":"Internal server error"}')
                )
        except OSError:
            return
