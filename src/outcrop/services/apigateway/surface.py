"""The URLs of HTTP APIs: `{api}.execute-api.localhost:4566/…`, and paths for machines that don't resolve such names."""

from __future__ import annotations

import re
from collections.abc import Callable

from outcrop.services.apigateway.http_apis.exchange import Failure, Incoming
from outcrop.services.apigateway.http_apis.serving import Arrival, HttpApiServer
from outcrop.services.contract import Context
from outcrop.services.surface import HttpRequest, HttpResponse

MAX_BODY = 10 * 1024 * 1024
PREFIXES = ("/_outcrop/execute-api/", "/_aws/execute-api/")
_HOST = re.compile(
    r"(?P<api>[a-z0-9-]+)\.execute-api\."
    r"(?:localhost|localhost\.localstack\.cloud|[a-z0-9-]+\.(?:localhost(?:\.localstack\.cloud)?|amazonaws\.com(?:\.cn)?))"
)


class HttpApiSurface:
    def __init__(self, server: HttpApiServer) -> None:
        self._server = server

    def matches(self, request: HttpRequest) -> bool:
        return request.raw_path.startswith(PREFIXES) or (
            ".execute-api." in request.host and _HOST.fullmatch(request.host) is not None
        )

    async def handle(self, request: HttpRequest, context: Callable[[str, str], Context]) -> HttpResponse:
        api_id, raw_path, domain = _address(request)

        async def read_body() -> bytes:
            return await _read_body(request)

        incoming = Incoming(
            request.method,
            domain,
            "/",
            request.raw_query,
            request.headers,
            source_ip=request.source_ip,
            scheme=request.scheme,
            port=request.port,
        )
        reply = await self._server.serve(Arrival(api_id, raw_path, incoming, read_body))
        body = b"" if request.method == "HEAD" or reply.status in (204, 304) else reply.body
        headers = [pair for pair in reply.headers if pair[0] != "content-length"]
        if reply.status not in (204, 304):
            headers.append(("content-length", str(len(reply.body))))
        return HttpResponse(reply.status, headers, body)


def _address(request: HttpRequest) -> tuple[str, str, str]:
    """The API's id, the path behind it and the domain that functions are told."""
    for prefix in PREFIXES:
        if request.raw_path.startswith(prefix):
            api_id, slash, rest = request.raw_path.removeprefix(prefix).partition("/")
            return api_id, slash + rest or "/", f"{api_id}.execute-api.localhost"
    return request.host.partition(".")[0], request.raw_path or "/", request.host


async def _read_body(request: HttpRequest) -> bytes:
    too_large = Failure(413, "Request Entity Too Large", hint=f"A request body may have {MAX_BODY} bytes")
    announced = request.header("content-length") or ""
    if announced.isdecimal() and (len(announced) > 12 or int(announced) > MAX_BODY):
        raise too_large
    body = bytearray()
    async for piece in request.body:
        body += piece
        if len(body) > MAX_BODY:
            raise too_large
    return bytes(body)
