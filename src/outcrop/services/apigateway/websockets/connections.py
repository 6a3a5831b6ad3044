"""Open connections of WebSocket APIs, and the operations by which the other side talks to them."""

from __future__ import annotations

import asyncio
import base64
import os
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from outcrop.services.contract import Context, Request, Result, ServiceError

MAX_MESSAGE = 128 * 1024
SEND_SECONDS = 30.0
"""How long a client may leave what is sent to it unread."""


class GoneException(ServiceError):
    """The connection is closed, or there never was one."""

    status = 410


class ForbiddenException(ServiceError):
    status = 403


class PayloadTooLargeException(ServiceError):
    status = 413


class Client(Protocol):
    """Who is at the other end."""

    async def send(self, data: str | bytes) -> None:
        """Raises OSError once the client has left."""
        ...

    async def close(self, code: int = 1000, reason: str = "") -> None: ...


@dataclass(eq=False)
class Connection:
    account: str
    api_id: str
    stage: str
    socket: Client
    source_ip: str
    user_agent: str
    id: str = field(default_factory=lambda: base64.b64encode(os.urandom(11)).decode().replace("/", "_"))
    connected_at: float = field(default_factory=time.time)
    last_active_at: float = field(default_factory=time.time)
    sending: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def send(self, data: str | bytes) -> None:
        """Raises GoneException if the client has left, or doesn't read."""
        try:
            async with asyncio.timeout(SEND_SECONDS), self.sending:
                await self.socket.send(data)
        except (OSError, TimeoutError):
            raise GoneException("") from None
        self.last_active_at = time.time()


class Connections:
    """By id."""

    def __init__(self) -> None:
        self._open: dict[str, Connection] = {}

    def add(self, connection: Connection) -> None:
        self._open[connection.id] = connection

    def remove(self, connection: Connection) -> None:
        self._open.pop(connection.id, None)

    def find(self, account: str, connection_id: str) -> Connection:
        """Raises GoneException."""
        connection = self._open.get(connection_id)
        if connection is None or connection.account != account:
            raise GoneException("")
        return connection

    async def close_all(self) -> None:
        for connection in list(self._open.values()):
            try:
                await connection.socket.close(1001, "Going away")
            except OSError:
                continue


class ConnectionManagement:
    """`apigatewaymanagementapi`."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def post_to_connection(self, ctx: Context, request: Request) -> Result:
        connection = self._connections.find(ctx.account, request["ConnectionId"])
        data = bytes(request["Data"])
        if len(data) > MAX_MESSAGE:
            raise PayloadTooLargeException(f"A message may have {MAX_MESSAGE} bytes")
        try:
            await connection.send(data.decode())
        except UnicodeDecodeError:
            await connection.send(data)
        return {}

    async def get_connection(self, ctx: Context, request: Request) -> Result:
        connection = self._connections.find(ctx.account, request["ConnectionId"])
        return {
            "ConnectedAt": datetime.fromtimestamp(connection.connected_at, UTC),
            "LastActiveAt": datetime.fromtimestamp(connection.last_active_at, UTC),
            "Identity": {"SourceIp": connection.source_ip, "UserAgent": connection.user_agent},
        }

    async def delete_connection(self, ctx: Context, request: Request) -> Result:
        connection = self._connections.find(ctx.account, request["ConnectionId"])
        self._connections.remove(connection)
        try:
            await connection.socket.close(1000, "Connection Closed Normally")
        except OSError:
            pass
        return {}
