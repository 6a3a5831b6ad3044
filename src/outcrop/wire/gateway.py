"""The ASGI application: runs each request through the pipeline and sends what comes out."""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import replace
from typing import Any

from outcrop.services.contract import Context, Credential, Principal, Service, ServiceError
from outcrop.services.room import Room
from outcrop.services.surface import Surface
from outcrop.settings import Settings
from outcrop.wire import pipeline
from outcrop.wire.auth.authenticate import Authenticator
from outcrop.wire.auth.errors import Refusal
from outcrop.wire.binding import Bound, bind
from outcrop.wire.body import Body, Receive, one_chunk
from outcrop.wire.context import Exchange
from outcrop.wire.errors import Disconnected, InternalFailure, NotBound, describe
from outcrop.wire.models import routes
from outcrop.wire.models.shapes import Operation
from outcrop.wire.protocols.base import Answer, WireProtocol
from outcrop.wire.protocols.rest_json import RestJson
from outcrop.wire.routing import Router
from outcrop.wire.validation import unknown_members, violations

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

log = logging.getLogger("outcrop.wire")

_UNSAFE = re.compile(r"[\r\n\0]+")
_NAME = re.compile(r"[^A-Za-z0-9!#$%&'*+.^_`|~-]")
_BODILESS = (204, 304)
_EXPOSED = "ETag, Location, x-amzn-ErrorType, x-amzn-RequestId, x-amz-request-id, x-outcrop-served-by"


class Gateway:
    """Every service of a stack behind one port: services that are there, and rooms whose services are built at their
    first request. Binding errors of the former stop the construction (`BindingError`)."""

    def __init__(
        self,
        services: Sequence[Service | Room],
        *,
        settings: Settings,
        lookup: Callable[[str], Credential | None],
        surfaces: Sequence[Surface] = (),
        endpoint: Callable[[], str] = lambda: "http://127.0.0.1:4566",
    ) -> None:
        self.settings = settings
        self.endpoint = endpoint
        self.services = bind(services, routes.load())
        self.router = Router(self.services)
        self.authenticator = Authenticator(lookup)
        self.rooms = [part for part in services if isinstance(part, Room)]
        self._surfaces = surfaces
        self._present = [part for part in services if isinstance(part, Service)]

    @property
    def operations(self) -> Mapping[str, Sequence[str]]:
        """Bound operations of each service, by boto3's names."""
        return {name: sorted(bound.handlers) for name, bound in self.services.items()}

    def surfaces(self, build: bool) -> Iterator[Surface]:
        """In order; `build`: also those of rooms that are still closed."""
        yield from self._surfaces
        for service in self._present:
            yield from service.surfaces
        for room in self.rooms:
            if build or room.is_open:
                for service in room.services.values():
                    yield from service.surfaces

    async def start_rooms(self) -> None:
        """Start what was built since the last time."""
        for room in self.rooms:
            if not room.is_started:
                await room.start()

    def context(self, account: str, region: str, principal: Principal, trace_id: str = "") -> Context:
        """For work that no request caused."""
        return self.make_context(account, region, principal, trace_id=trace_id)

    def anonymous(self, exchange: Exchange, account: str, region: str) -> Context:
        """For a surface's caller."""
        return self.make_context(
            account,
            region,
            Principal(arn="*", user_id="anonymous", kind="anonymous"),
            request_id=exchange.request_id,
            source_ip=exchange.source_ip,
            user_agent=exchange.headers.get("user-agent", ""),
            trace_id=exchange.headers.get("x-amzn-trace-id", ""),
        )

    def make_context(
        self,
        account: str,
        region: str,
        principal: Principal,
        *,
        request_id: str = "",
        endpoint: str = "",
        source_ip: str = "127.0.0.1",
        user_agent: str = "",
        trace_id: str = "",
    ) -> Context:
        caller = _Caller(self)
        caller.context = Context(
            account=account,
            region=region,
            principal=principal,
            request_id=request_id or str(uuid.uuid4()),
            call=caller,
            endpoint=endpoint or self.endpoint(),
            source_ip=source_ip,
            user_agent=user_agent,
            trace_id=trace_id,
        )
        return caller.context

    async def call(self, context: Context, service: str, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """An operation without HTTP: validated, called, its own dict back. Bytes stand in for streaming bodies."""
        bound = self.services.get(service)
        if bound is None or operation not in bound.handlers:
            raise NotBound(f"{operation} of {service} was called from another service, but Outcrop doesn't have it.")
        shape = bound.operation(operation).input
        given = {name: value for name, value in request.items() if value is not None}
        if strangers := unknown_members(shape, given):
            raise TypeError(f"{service}.{operation} has no member {', '.join(strangers)}")
        if shape is not None and (broken := violations(shape, given, bound.hooks.lax)):
            raise bound.hooks.invalid(operation, broken)
        if shape is not None and shape.payload and shape.members[shape.payload].streaming:
            body = given.get(shape.payload, b"")
            given[shape.payload] = Body(one_chunk(bytes(body))) if isinstance(body, bytes | bytearray) else body
        await self.start_rooms()
        return dict(await bound.handlers[operation](context, given) or {})

    def report_strangers(self, bound: Bound, operation: Operation, result: Mapping[str, Any]) -> None:
        """Members that the model lacks would vanish silently: a handler's typing error."""
        if strangers := [name for name in result if operation.output is None or name not in operation.output.members]:
            log.warning("%s.%s returned members that it has not: %s", bound.name, operation.name, ", ".join(strangers))

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            from outcrop.wire.sockets import serve_socket

            await serve_socket(self, scope, receive, send)
            return
        if scope["type"] != "http":
            raise RuntimeError(f"the gateway serves http and websocket only, not {scope['type']}")
        began = time.perf_counter()
        exchange = Exchange.read(scope, receive)
        answer: Answer | None = None
        try:
            answer = await self._answer(exchange)
            await self._send(exchange, answer, send)
        except Disconnected:
            pass
        except asyncio.CancelledError:
            if not exchange.inbox.disconnected:
                raise
            task = asyncio.current_task()
            assert task is not None
            task.uncancel()
        finally:
            exchange.inbox.stop_watching()
            await _close(answer)
            if log.isEnabledFor(logging.DEBUG):
                status = answer.status if answer else "client left"
                took = (time.perf_counter() - began) * 1000
                log.debug("%s %s %.1f ms %s", exchange.service_and_operation, status, took, exchange.request_id)

    async def _answer(self, exchange: Exchange) -> Answer:
        try:
            for step in pipeline.STEPS:
                await step(self, exchange)
                if exchange.answer is not None:
                    break
        except Refusal as refusal:
            exchange.answer = self._failure(exchange, refusal.as_error(_protocol(exchange).name))
        except ServiceError as error:
            exchange.answer = self._failure(exchange, error)
        except Disconnected:
            raise
        except Exception:
            log.exception("%s failed (request %s)", exchange.service_and_operation, exchange.request_id)
            text = "An internal error occurred; the server's log has the details."
            exchange.answer = self._failure(exchange, InternalFailure(text))
        assert exchange.answer is not None
        self._complete(exchange, exchange.answer)
        return exchange.answer

    def _failure(self, exchange: Exchange, error: ServiceError) -> Answer:
        bound = exchange.bound
        model = bound.model if bound else None
        if isinstance(error, InternalFailure) and model and model.error("InternalServerException"):
            failure = replace(describe(error, model), name="InternalServerException", code="InternalServerException")
        else:
            failure = describe(error, model, exchange.operation)
        answer = _protocol(exchange).error(model, failure, exchange.request_id)
        answer.headers += failure.headers
        return answer

    def _complete(self, exchange: Exchange, answer: Answer) -> None:
        """The headers that don't depend on the operation's model."""
        bound, context = exchange.bound, exchange.context
        headers = answer.headers
        if context is not None and "Content-Type" in context.headers:
            headers[:] = [(name, value) for name, value in headers if name.lower() != "content-type"]
        sent = {name.lower() for name, _ in headers}
        if bound is not None:
            name = exchange.found.entry.name if exchange.found and exchange.found.entry else ""
            extra = [*bound.hooks.headers(name, exchange.request, exchange.headers)]
            if context is not None:
                extra += context.headers.items()
                extra += [(f"x-outcrop-{key}", value) for key, value in context.notes.items()]
            extra.append(("x-amz-request-id" if _is_xml(exchange) else "x-amzn-RequestId", exchange.request_id))
            for key, value in extra:
                if key.lower() not in sent or key.lower() == "vary":
                    sent.add(key.lower())
                    headers.append((key, value))
        origin = exchange.headers.get("origin", "")
        asked = (bound is not None or exchange.method == "OPTIONS") and not _is_xml(exchange)
        if asked and "access-control-allow-origin" not in sent and pipeline.is_local_origin(origin):
            headers += [("Access-Control-Allow-Origin", origin), ("Access-Control-Expose-Headers", _EXPOSED)]
            headers.append(("Vary", "Origin"))

    async def _send(self, exchange: Exchange, answer: Answer, send: Send) -> None:
        body = answer.body
        bodiless = exchange.method == "HEAD" or answer.status in _BODILESS
        headers = [_header(name, value) for name, value in answer.headers]
        if answer.status in _BODILESS:
            headers = [(name, value) for name, value in headers if name not in (b"content-length", b"content-type")]
        elif isinstance(body, bytes) and exchange.method != "HEAD":
            headers = [(name, value) for name, value in headers if name != b"content-length"]
            headers.append((b"content-length", str(len(body)).encode()))
        if not exchange.inbox.asked and exchange.headers.get("expect", "").lower() == "100-continue":
            # Refused without its body: the client may send it or not, so what comes next can't be told apart.
            headers.append((b"connection", b"close"))
        exchange.started = True
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        if bodiless:
            body = b""
        if not isinstance(body, bytes):
            async for piece in body:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            body = b""
        await send({"type": "http.response.body", "body": body, "more_body": False})


class _Caller:
    """`ctx.call` of one context: the callee gets a request id, notes and headers of its own."""

    context: Context

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def __call__(self, service: str, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        context = replace(self.context, request_id=str(uuid.uuid4()), notes={}, headers={})
        return await self._gateway.call(context, service, operation, request)


_FALLBACK = RestJson()


def _protocol(exchange: Exchange) -> WireProtocol:
    if exchange.found is not None:
        return exchange.found.protocol
    return exchange.bound.default_protocol if exchange.bound else _FALLBACK


def _is_xml(exchange: Exchange) -> bool:
    return _protocol(exchange).name == "rest-xml"


def _header(name: str, value: str) -> tuple[bytes, bytes]:
    """Nothing that a service puts into a header can end it."""
    text = _UNSAFE.sub(" ", str(value))
    try:
        content = text.encode("latin-1")
    except UnicodeEncodeError:
        content = text.encode("utf-8", "replace")
    return _NAME.sub("-", name).lower().encode("ascii", "replace"), content


async def _close(answer: Answer | None) -> None:
    if answer is not None and not isinstance(answer.body, bytes):
        body: AsyncIterator[bytes] = answer.body
        close = getattr(body, "aclose", None)
        if close is not None:
            await close()
