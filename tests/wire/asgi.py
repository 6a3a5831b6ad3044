"""Calls a gateway without a socket: requests as botocore prepares them, answers as botocore reads them."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from botocore.awsrequest import AWSResponse

from outcrop.services.contract import Credential, Principal
from outcrop.wire.gateway import Gateway

ACCOUNT = "000000000000"
KEYS = {
    "test": Credential("test", "test", ACCOUNT, Principal(f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT, "test")),
    "AKIAOTHER": Credential(
        "AKIAOTHER",
        "other/secret+key",
        ACCOUNT,
        Principal(f"arn:aws:iam::{ACCOUNT}:user/ada", "AIDA", "AKIAOTHER", "user"),
    ),
}


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes


async def call(
    gateway: Gateway,
    method: str,
    url: str,
    headers: Mapping[str, str] | None = None,
    body: bytes | list[bytes] = b"",
) -> Reply:
    """One request. A list of bytes arrives as so many pieces."""
    parts = urlsplit(url)
    pieces = list(body) if isinstance(body, list) else [body]
    sent = {"host": parts.netloc} | {name.lower(): value for name, value in (headers or {}).items()}
    if any(pieces):
        sent.setdefault("content-length", str(sum(map(len, pieces))))
    scope: dict[str, Any] = {
        "type": "http",
        "method": method,
        "scheme": "http",
        "path": parts.path,
        "raw_path": parts.path.encode(),
        "query_string": parts.query.encode(),
        "headers": [(name.encode(), value.encode("utf-8")) for name, value in sent.items()],
        "client": ("127.0.0.1", 5),
    }
    start: dict[str, Any] = {}
    received: list[bytes] = []

    async def receive() -> dict[str, Any]:
        if not pieces:
            await asyncio.Event().wait()
        piece = pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
        else:
            received.append(message["body"])

    await gateway(scope, receive, send)
    return Reply(
        start["status"],
        {name.decode("latin-1"): value.decode("latin-1") for name, value in start["headers"]},
        b"".join(received),
    )


def connect(client: Any, gateway: Gateway, runner: asyncio.Runner) -> None:
    """Let a botocore client talk to a gateway in this process."""

    def send(request: Any, **kwargs: Any) -> AWSResponse:
        body = request.body or b""
        body = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else body.read()
        headers = {
            name: value.decode() if isinstance(value, bytes) else value for name, value in request.headers.items()
        }
        reply = runner.run(call(gateway, request.method, request.url, headers, body))
        return AWSResponse(request.url, reply.status, reply.headers, Raw(reply.body))

    client.meta.events.register("before-send", send)


class Raw(io.BytesIO):
    """What botocore takes for an urllib3 response."""

    def stream(self, amount: int = 65536, decode_content: bool = False) -> Any:
        while chunk := self.read(amount):
            yield chunk
