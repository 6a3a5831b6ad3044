"""The way of a request, as a list of steps. Each may answer and so end it; a `ServiceError` from any becomes the
protocol's error."""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from outcrop.services.contract import AccessDeniedException, Principal, ServiceError
from outcrop.services.hooks import Violation
from outcrop.services.surface import HttpRequest
from outcrop.wire.auth.authenticate import Presented, is_chunked, plain_headers, unwrap
from outcrop.wire.auth.claims import read_claim
from outcrop.wire.auth.errors import Refusal
from outcrop.wire.body import Body, TooLarge, one_chunk, read_whole
from outcrop.wire.context import Exchange
from outcrop.wire.errors import (
    InvalidAction,
    MaxMessageLengthExceeded,
    MethodNotAllowed,
    NotBound,
    RequestEntityTooLargeException,
    SerializationException,
    UnknownOperationException,
    Unreadable,
)
from outcrop.wire.models.shapes import Operation, Shape
from outcrop.wire.protocols.base import Answer, Parts
from outcrop.wire.protocols.query import read_form
from outcrop.wire.routing import Asked, Found
from outcrop.wire.validation import violations

if TYPE_CHECKING:
    from outcrop.wire.gateway import Gateway

Step = Callable[["Gateway", Exchange], Awaitable[None]]

_MB = 1 << 20
_LIMITS = {"query": 4 * _MB, "rest-xml": 8 * _MB}
_LIMIT = 32 * _MB
_BLOB_LIMIT = 72 * _MB
_FORM = "application/x-www-form-urlencoded"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_OWN_HOST = re.compile(r"[^.]*|\[.*\]|[0-9.]+|.*\.(localhost|localstack\.cloud|amazonaws\.com(\.cn)?|aws|internal)\.?")
"""Hosts under which a stack on loopback is reached on purpose; any other name was pointed here by somebody else."""
_BARE_HOST = re.compile(r"localhost|\[.*\]|[0-9.]+")
_LOCAL_ORIGIN = re.compile(r"(.+\.)?localhost|127\.0\.0\.1|\[?::1\]?")


async def ask_surfaces(gateway: Gateway, exchange: Exchange) -> None:
    """First, because an HTTP API's own URL or a website's host may look like any path of any API."""
    request = present(exchange, partial(identify_caller, gateway, exchange))
    for surface in gateway.surfaces(build=not _is_api_call(exchange)):
        if surface.matches(request):
            await gateway.start_rooms()
            exchange.inbox.watch(_current_task())
            response = await surface.handle(
                request, lambda account, region: gateway.anonymous(exchange, account, region)
            )
            exchange.answer = Answer(response.status, list(response.headers), response.body)
            return


def present(exchange: Exchange, identify: Callable[[bytes], Principal | None]) -> HttpRequest:
    """The request as surfaces see it."""
    host, port = exchange.headers.get("host", ""), 0
    if exchange.host != host.lower():
        number = host.rpartition(":")[2]
        port = int(number) if number.isascii() and number.isdecimal() else 0
    return HttpRequest(
        method=exchange.method,
        host=exchange.host,
        raw_path=exchange.raw_path,
        raw_query=exchange.raw_query,
        headers=exchange.header_list,
        body=exchange.inbox.chunks(),
        scheme=exchange.scheme,
        port=port or (443 if exchange.scheme == "https" else 80),
        source_ip=exchange.source_ip,
        identify=identify,
    )


def identify_caller(gateway: Gateway, exchange: Exchange, body: bytes) -> Principal | None:
    """For surfaces: who signed the request."""
    try:
        claim = read_claim(exchange.headers, dict(reversed(exchange.query)))
        if claim is None:
            return None
        credential = gateway.authenticator.find(claim)
        path = exchange.raw_path
        presented = Presented(exchange.method, path, path, exchange.raw_query, exchange.query, exchange.sent_headers)
        gateway.authenticator.verify(claim, credential, presented, body)
    except Refusal as refusal:
        raise PermissionError(refusal.as_error("rest-json").message) from None
    except ServiceError as error:
        raise PermissionError(error.message) from None
    return credential.principal


def _is_api_call(exchange: Exchange) -> bool:
    """Whether the request is surely for an AWS API: signed in the header, to this machine's bare name. Paths below a
    name that begins with an underscore are this stack's own."""
    signed = exchange.headers.get("authorization", "").startswith("AWS4-HMAC-SHA256 ")
    return signed and "/_" not in exchange.raw_path and _BARE_HOST.fullmatch(exchange.host) is not None


async def answer_preflights(gateway: Gateway, exchange: Exchange) -> None:
    """After the surfaces, since S3 answers by its buckets' own CORS rules. Browsers on this machine may
    call all APIs."""
    if exchange.method != "OPTIONS" or "access-control-request-method" not in exchange.headers:
        return
    if not is_local_origin(exchange.headers.get("origin", "")):
        return
    headers = [
        ("Access-Control-Allow-Methods", exchange.headers["access-control-request-method"]),
        ("Access-Control-Allow-Headers", exchange.headers.get("access-control-request-headers", "*")),
        ("Access-Control-Max-Age", "3600"),
    ]
    exchange.answer = Answer(204, headers)


async def place(gateway: Gateway, exchange: Exchange) -> None:
    """Which services it may be for. Reads the body of forms: the operation's name is in there."""
    try:
        exchange.claim = read_claim(exchange.headers, dict(reversed(exchange.query)))
    finally:
        signing = exchange.claim.service if exchange.claim else ""
        exchange.candidates = gateway.router.candidates(_asked(exchange, signing))
        _rewrite(gateway, exchange)
    if not exchange.candidates and not exchange.claim:
        for bound in gateway.services.values():
            hooks = bound.hooks
            if hooks.claims(exchange.method, exchange.host, exchange.raw_path, exchange.raw_query, exchange.headers):
                exchange.claimed = bound
                break
    speaks = any("query" in bound.entry.protocols for bound in exchange.candidates) or not exchange.candidates
    if speaks and exchange.headers.get("content-type", "").startswith(_FORM) and exchange.path == "/":
        exchange.sent_body = await _read(exchange, _LIMITS["query"], "")
        exchange.body = _unpacked(exchange, _LIMITS["query"], "")


async def route(gateway: Gateway, exchange: Exchange) -> None:
    """Which operation. What AWS has and this stack doesn't is said so."""
    form = read_form(exchange.body) if exchange.body else ()
    asked = _asked(exchange, exchange.claim.service if exchange.claim else "", form)
    found = gateway.router.find(asked, exchange.candidates, exchange.claimed)
    if found is None:
        signing = exchange.claim.service if exchange.claim else ""
        what = f"the service {signing!r}" if signing else "any service that this request could be for"
        raise UnknownOperationException(
            f"Outcrop has no operation for {exchange.method} {exchange.raw_path[:200]} of {what}. The services and "
            "operations that it has are listed in docs/reference/coverage.md."
        )
    exchange.found = found
    if found.entry is None:
        raise _unknown_operation(found)
    if found.entry.name not in found.bound.handlers:
        raise NotBound(
            f"{found.entry.operation} of {found.bound.name} exists on AWS, but Outcrop doesn't have it. "
            "docs/reference/coverage.md lists what it has."
        )
    exchange.operation = found.bound.model.operation(found.entry.operation)


async def turn_strangers_away(gateway: Gateway, exchange: Exchange) -> None:
    """A page of another site must not drive this machine through its visitor's browser: the default keys are no secret,
    and CreateFunction runs code. S3 has CORS rules of its own."""
    if _is_s3(exchange):
        return
    origin = exchange.headers.get("origin")
    if origin is not None and not is_local_origin(origin):
        raise AccessDeniedException(
            f"Pages of {origin[:200]} may not call this stack: only pages served from this machine may."
        )
    if gateway.settings.host in _LOOPBACK and not _OWN_HOST.fullmatch(exchange.host):
        raise AccessDeniedException(
            f"The host {exchange.host[:200]} isn't this machine. Call the stack as localhost or 127.0.0.1, or bind it "
            "to another address with --host."
        )


async def identify(gateway: Gateway, exchange: Exchange) -> None:
    """Whose key it is. Before the body is read: strangers send none."""
    claim = exchange.claim
    if claim is None:
        assert exchange.operation is not None
        if gateway.settings.strict and not _is_s3(exchange) and not exchange.operation.unsigned:
            raise Refusal("missing")
        return
    exchange.credential = gateway.authenticator.find(claim)
    if _is_s3(exchange):
        _prove(gateway, exchange, None)


async def read_body(gateway: Gateway, exchange: Exchange) -> None:
    """Whole, unless the operation streams it. aws-chunked framing ends here."""
    if exchange.body is not None:
        return
    operation = exchange.operation
    assert operation is not None
    content = unwrap(exchange.inbox.chunks(), exchange.headers, exchange.claim, exchange.credential)
    hashed = _is_s3(exchange) or exchange.claim is None or "x-amz-content-sha256" in exchange.headers
    if operation.streams_in and hashed:
        exchange.stream = content
    else:
        limit = body_limit(operation, _protocol_name(exchange))
        exchange.sent_body = await _read(exchange, limit, operation.name, content)
        exchange.body = _unpacked(exchange, limit, operation.name)
    if is_chunked(exchange.headers):
        exchange.headers = plain_headers(exchange.headers)


async def prove(gateway: Gateway, exchange: Exchange) -> None:
    """That the key's owner signed this. After the body, whose hash is signed; S3's clients state the hash in a header
    that the body is compared with as it streams, so S3 was proven before."""
    if exchange.credential is not None and not exchange.proven:
        _prove(gateway, exchange, exchange.sent_body)


async def admit(gateway: Gateway, exchange: Exchange) -> None:
    """The caller's context."""
    settings, credential, claim = gateway.settings, exchange.credential, exchange.claim
    if claim is not None and not exchange.proven:
        raise Refusal("signature")
    account = credential.account if credential else settings.account
    if credential is not None:
        principal = credential.principal
    elif _is_s3(exchange) or (exchange.operation is not None and exchange.operation.unsigned):
        principal = Principal(arn="*", user_id="anonymous", kind="anonymous")
    else:
        principal = Principal(arn=f"arn:aws:iam::{account}:root", user_id=account)
    region = (claim.region if claim else "") or settings.region
    exchange.context = gateway.make_context(
        account,
        region,
        principal,
        request_id=exchange.request_id,
        endpoint=_endpoint(gateway, exchange),
        source_ip=exchange.source_ip,
        user_agent=exchange.headers.get("user-agent", ""),
        trace_id=exchange.headers.get("x-amzn-trace-id", ""),
    )


_TOO_DEEP = "The request body is nested too deeply."
"""What `json` can read may still be deeper than what follows the model can: a filter in a filter in a filter."""


async def parse(gateway: Gateway, exchange: Exchange) -> None:
    found, operation = exchange.found, exchange.operation
    assert found is not None
    assert operation is not None
    assert found.entry is not None
    body: bytes | AsyncIterator[bytes] = exchange.body if exchange.body is not None else b""
    if operation.streams_in:
        body = exchange.stream or Body(one_chunk(exchange.body or b""))
    parts = Parts(found.labels, exchange.query, exchange.headers, body)
    try:
        exchange.request = found.protocol.parse(found.bound.model, operation, parts)
    except Unreadable as error:
        violation = Violation(error.path, error.value, error.text)
        raise found.bound.hooks.invalid(found.entry.name, [violation]) from None
    except RecursionError:
        raise SerializationException(_TOO_DEEP) from None


async def validate(gateway: Gateway, exchange: Exchange) -> None:
    found, operation = exchange.found, exchange.operation
    assert found is not None
    assert operation is not None
    assert found.entry is not None
    if operation.input is None:
        return
    try:
        broken = violations(operation.input, exchange.request, found.bound.hooks.lax)
    except RecursionError:
        raise SerializationException(_TOO_DEEP) from None
    if broken:
        raise found.bound.hooks.invalid(found.entry.name, broken)


async def call(gateway: Gateway, exchange: Exchange) -> None:
    """The operation itself, then its answer. The client's going away cancels it."""
    found, operation, context = exchange.found, exchange.operation, exchange.context
    assert found is not None
    assert found.entry is not None
    assert operation is not None
    assert context is not None
    exchange.inbox.watch(_current_task())
    name, bound = found.entry.name, found.bound
    await gateway.start_rooms()
    result = await bound.handlers[name](context, exchange.request) or {}
    gateway.report_strangers(bound, operation, result)
    answer = found.protocol.serialize(bound.model, operation, result, exchange.request_id)
    answer.status = bound.hooks.status(name, result) or answer.status
    if not isinstance(answer.body, bytes):
        answer.body = await _begin(answer.body)
    exchange.answer = answer


STEPS: tuple[Step, ...] = (
    ask_surfaces,
    answer_preflights,
    place,
    route,
    turn_strangers_away,
    identify,
    read_body,
    prove,
    admit,
    parse,
    validate,
    call,
)


def is_local_origin(origin: str) -> bool:
    """Whether a browser's page comes from this machine."""
    return bool(origin) and _LOCAL_ORIGIN.fullmatch(urlsplit(origin).hostname or "") is not None


def body_limit(operation: Operation, protocol: str) -> int:
    """Bytes of a body that is read whole: the model's own limit where the body is one blob, more where it may carry
    blobs, such as a function's zip."""
    shape = operation.input
    if shape is not None and shape.payload:
        payload = shape.members[shape.payload].shape
        if payload.kind == "blob" and payload.maximum:
            return int(payload.maximum)
    if protocol in _LIMITS:
        return _LIMITS[protocol]
    return _BLOB_LIMIT if shape is not None and _has_blob(shape, set()) else _LIMIT


def _has_blob(shape: Shape, seen: set[str]) -> bool:
    if shape.name in seen:
        return False
    seen.add(shape.name)
    inner = [member.shape for member in shape.members.values()]
    if shape.kind == "list":
        inner.append(shape.element.shape)
    if shape.kind == "map":
        inner.append(shape.value.shape)
    return shape.kind == "blob" or any(_has_blob(item, seen) for item in inner)


async def _read(exchange: Exchange, limit: int, operation: str, content: AsyncIterator[bytes] | None = None) -> bytes:
    length = exchange.headers.get("content-length", "")
    try:
        if length.isascii() and length.isdigit() and int(length[:18]) > limit + _MB:
            raise TooLarge
        return await read_whole(exchange.inbox.chunks() if content is None else content, limit)
    except TooLarge:
        raise _too_large(exchange, limit, operation) from None


def _too_large(exchange: Exchange, limit: int, operation: str) -> Exception:
    if _protocol_name(exchange) == "rest-xml":
        return MaxMessageLengthExceeded("Your request was too large.", MaxMessageLengthBytes=limit)
    found, shape = exchange.found, exchange.operation.input if exchange.operation else None
    if found and found.entry and shape and shape.payload and shape.members[shape.payload].shape.kind == "blob":
        constraint = f"Member must have length less than or equal to {limit}"
        violation = Violation(shape.payload, "(too long to show)", constraint)
        return found.bound.hooks.invalid(found.entry.name, [violation])
    what = f"the {operation} operation" if operation else "this operation"
    return RequestEntityTooLargeException(f"Request must be smaller than {limit} bytes for {what}")


def _unpacked(exchange: Exchange, limit: int, operation: str) -> bytes:
    """The body, unpacked where the client compressed it, as newer SDKs do with large PutMetricData requests."""
    assert exchange.sent_body is not None
    if exchange.headers.get("content-encoding", "").rpartition(",")[2].strip() != "gzip":
        return exchange.sent_body
    unpacker = zlib.decompressobj(wbits=31)
    try:
        content = unpacker.decompress(exchange.sent_body, limit + 1)
    except zlib.error as error:
        raise SerializationException(f"The request body is not valid gzip: {error}") from None
    if len(content) > limit:
        raise _too_large(exchange, limit, operation)
    if not unpacker.eof:
        raise SerializationException("The request body is not valid gzip: it ends too early")
    return content


def _asked(exchange: Exchange, signing: str, form: Any = ()) -> Asked:
    names = frozenset(name for name, _ in exchange.query)
    return Asked(exchange.method, exchange.path, exchange.query, exchange.headers, signing, form, names)


def _rewrite(gateway: Gateway, exchange: Exchange) -> None:
    """Let the candidates' hooks (everyone's, where there are none) move parts of the host into the path."""
    for bound in exchange.candidates or (() if exchange.claim else gateway.services.values()):
        path = bound.hooks.rewrite(exchange.host, exchange.raw_path)
        if path != exchange.raw_path:
            exchange.path = path
            exchange.candidates = [bound]
            return


def _unknown_operation(found: Found) -> Exception:
    asked = found.asked[:200]
    if found.protocol.name == "query":
        return InvalidAction(f"Could not find operation {asked} for version {found.bound.entry.version}")
    if found.protocol.name == "rest-xml":
        return MethodNotAllowed("The specified method is not allowed against this resource.")
    return UnknownOperationException(f"{found.bound.name} has no operation {asked}.")


def _protocol_name(exchange: Exchange) -> str:
    if exchange.found is not None:
        return exchange.found.protocol.name
    return exchange.bound.default_protocol.name if exchange.bound else "rest-json"


def _is_s3(exchange: Exchange) -> bool:
    return _protocol_name(exchange) == "rest-xml"


def _prove(gateway: Gateway, exchange: Exchange, body: bytes | None) -> None:
    assert exchange.claim is not None
    assert exchange.credential is not None
    presented = Presented(
        exchange.method, exchange.raw_path, exchange.path, exchange.raw_query, exchange.query, exchange.sent_headers
    )
    gateway.authenticator.verify(exchange.claim, exchange.credential, presented, body)
    exchange.proven = True


def _endpoint(gateway: Gateway, exchange: Exchange) -> str:
    """As the caller spells it, unless the host carries more than the address."""
    host = exchange.headers.get("host", "")
    if not host or exchange.path != exchange.raw_path or exchange.host.endswith("amazonaws.com"):
        return gateway.endpoint()
    return f"{exchange.scheme}://{host}"


def _current_task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None
    return task


async def _begin(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The stream with its first piece already fetched, so that an early error can still be an HTTP error."""
    try:
        first = await anext(stream)
    except StopAsyncIteration:
        return one_chunk(b"")
    return _Resumed(first, stream)


class _Resumed:
    """A piece, then the rest."""

    def __init__(self, first: bytes, rest: AsyncIterator[bytes]) -> None:
        self._first: bytes | None = first
        self._rest = rest

    def __aiter__(self) -> _Resumed:
        return self

    async def __anext__(self) -> bytes:
        if self._first is not None:
            first, self._first = self._first, None
            return first
        return await anext(self._rest)

    async def aclose(self) -> None:
        close = getattr(self._rest, "aclose", None)
        if close is not None:
            await close()
