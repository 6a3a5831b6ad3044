"""The URLs of APIs: `{api}.execute-api.localhost:4566/…`, domain names of one's own, and paths for machines that don't
resolve such names."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote

from outcrop.services.apigateway.http_apis.exchange import Failure, Incoming, Reply
from outcrop.services.apigateway.http_apis.serving import Arrival, HttpApiServer
from outcrop.services.apigateway.rest_apis.domains import DomainTable
from outcrop.services.apigateway.rest_apis.live import LiveRestApis
from outcrop.services.apigateway.rest_apis.serving import RestApiServer, RestArrival
from outcrop.services.apigateway.websockets.connections import ConnectionManagement
from outcrop.services.apigateway.websockets.live import LiveSockets
from outcrop.services.apigateway.websockets.surface import SocketServer
from outcrop.services.contract import Context, ServiceError
from outcrop.services.surface import HttpRequest, HttpResponse, Socket

MAX_BODY = 10 * 1024 * 1024
PREFIXES = ("/_outcrop/execute-api/", "/_aws/execute-api/")
_HOST = re.compile(
    r"(?P<api>[a-z0-9-]+)\.execute-api\."
    r"(?:localhost|localhost\.localstack\.cloud|[a-z0-9-]+\.(?:localhost(?:\.localstack\.cloud)?|amazonaws\.com(?:\.cn)?))"
)
_USER_REQUEST = re.compile(r"/restapis/(?P<api>[a-z0-9-]+)/(?P<stage>[^/]+)/_user_request_(?P<path>(?:/.*)?)")


_CONNECTION = re.compile(r"/[^/]+/@connections/(?P<id>[^/]+)")


@dataclass(frozen=True, slots=True)
class Address:
    """Which API a request means. `stage` is empty where the path names it."""

    api_id: str
    stage: str
    raw_path: str
    domain: str
    """The host that functions are told."""
    by_domain: bool = False


class ApiSurface:
    def __init__(
        self,
        http_apis: HttpApiServer,
        rest_apis: RestApiServer,
        live: LiveRestApis,
        domains: DomainTable,
        sockets: SocketServer,
        live_sockets: LiveSockets,
        management: ConnectionManagement,
    ) -> None:
        self._sockets = sockets
        self._live_sockets = live_sockets
        self._management = management
        self._http_apis = http_apis
        self._rest_apis = rest_apis
        self._live = live
        self._domains = domains

    def matches(self, request: HttpRequest) -> bool:
        if request.raw_path.startswith(PREFIXES) or _USER_REQUEST.fullmatch(request.raw_path):
            return True
        if ".execute-api." in request.host:
            return _HOST.fullmatch(request.host) is not None
        return self._domains.knows(request.host)

    async def handle(self, request: HttpRequest, context: Callable[[str, str], Context]) -> HttpResponse:
        address = self._address(request)
        if address and (found := _CONNECTION.fullmatch(address.raw_path)) and self._live_sockets.knows(address.api_id):
            return await self._manage(address, unquote(found["id"]), request, context)

        async def read_body() -> bytes:
            return await _read_body(request)

        incoming = Incoming(
            request.method,
            address.domain if address else request.host,
            "/",
            request.raw_query,
            request.headers,
            source_ip=request.source_ip,
            scheme=request.scheme,
            port=request.port,
        )
        if address is None:
            reply = Reply(403, [("content-type", "application/json")], b'{"message":"Forbidden"}')
        elif self._live.find(address.api_id) is not None:
            arrival = RestArrival(
                address.api_id,
                address.stage,
                address.raw_path,
                incoming,
                read_body,
                request.identify,
                address.by_domain,
            )
            reply = await self._rest_apis.serve(arrival)
        else:
            path = f"/{address.stage}{address.raw_path}" if address.stage else address.raw_path
            reply = await self._http_apis.serve(
                Arrival(address.api_id, path, incoming, read_body, request.identify, address.by_domain)
            )
        body = b"" if request.method == "HEAD" or reply.status in (204, 304) else reply.body
        headers = [pair for pair in reply.headers if pair[0] != "content-length"]
        if reply.status not in (204, 304):
            headers.append(("content-length", str(len(reply.body))))
        return HttpResponse(reply.status, headers, body)

    async def converse(self, request: HttpRequest, socket: Socket) -> None:
        address = self._address(request)
        api_id, raw_path, domain = (address.api_id, address.raw_path, address.domain) if address else ("", "/", "")
        stage = address.stage if address and address.stage else unquote(raw_path[1:].partition("/")[0])
        await self._sockets.serve(api_id, stage, domain, request, socket)

    async def _manage(
        self, address: Address, connection_id: str, request: HttpRequest, context: Callable[[str, str], Context]
    ) -> HttpResponse:
        """`/{stage}/@connections/{id}`: the management API at the API's own URL."""
        try:
            body = await _read_body(request)
            if request.identify(body) is None:
                return _message(403, "Missing Authentication Token", "MissingAuthenticationTokenException")
            ctx = context(self._live_sockets.account(address.api_id), "us-east-1")
            given = {"ConnectionId": connection_id}
            if request.method == "POST":
                await self._management.post_to_connection(ctx, {**given, "Data": body})
                return HttpResponse(200, (("content-length", "0"),))
            if request.method == "DELETE":
                await self._management.delete_connection(ctx, given)
                return HttpResponse(204)
            if request.method != "GET":
                return _message(403, "Missing Authentication Token", "MissingAuthenticationTokenException")
            found = await self._management.get_connection(ctx, given)
        except Failure as failure:
            return _message(failure.status, failure.message, "PayloadTooLargeException")
        except PermissionError as error:
            return _message(403, str(error), "ForbiddenException")
        except ServiceError as error:
            return _message(error.status, error.message or None, error.code)
        identity = {"sourceIp": found["Identity"]["SourceIp"], "userAgent": found["Identity"]["UserAgent"]}
        times = {
            "connectedAt": f"{found['ConnectedAt']:%Y-%m-%dT%H:%M:%SZ}",
            "lastActiveAt": f"{found['LastActiveAt']:%Y-%m-%dT%H:%M:%SZ}",
        }
        content = json.dumps({**times, "identity": identity}).encode()
        return HttpResponse(200, (("content-type", "application/json"),), content)

    def _address(self, request: HttpRequest) -> Address | None:
        """None for a path of a domain name that no API is mapped to."""
        for prefix in PREFIXES:
            if request.raw_path.startswith(prefix):
                api_id, slash, rest = request.raw_path.removeprefix(prefix).partition("/")
                return Address(api_id, "", slash + rest or "/", f"{api_id}.execute-api.localhost")
        if found := _USER_REQUEST.fullmatch(request.raw_path):
            domain = f"{found['api']}.execute-api.localhost"
            return Address(found["api"], found["stage"], found["path"] or "/", domain)
        if ".execute-api." in request.host and _HOST.fullmatch(request.host):
            return Address(request.host.partition(".")[0], "", request.raw_path or "/", request.host)
        mapped = self._domains.find(request.host, request.raw_path or "/")
        return Address(*mapped, request.host, by_domain=True) if mapped else None


def _message(status: int, message: str | None, kind: str) -> HttpResponse:
    body = json.dumps({"message": message}).encode()
    return HttpResponse(status, (("content-type", "application/json"), ("x-amzn-errortype", kind)), body)


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
