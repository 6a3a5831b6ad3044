"""Serves requests to REST APIs: stage, resource, key, authorizer, validator, integration, answer."""

from __future__ import annotations

import gzip
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import unquote

from outcrop.services.apigateway.http_apis.exchange import Failure, Incoming, Reply
from outcrop.services.apigateway.reporting import Reporting
from outcrop.services.apigateway.rest_apis.authorization import RestAuthorization
from outcrop.services.apigateway.rest_apis.backends import Backends
from outcrop.services.apigateway.rest_apis.exchange import RestExchange
from outcrop.services.apigateway.rest_apis.failures import RestFailure, forbidden
from outcrop.services.apigateway.rest_apis.limits import Limits
from outcrop.services.apigateway.rest_apis.live import LiveRestApis, LiveRestStage
from outcrop.services.apigateway.rest_apis.reporting import note
from outcrop.services.apigateway.rest_apis.responses import failure_reply
from outcrop.services.apigateway.rest_apis.validation import validate
from outcrop.services.contract import Principal


@dataclass(frozen=True, slots=True)
class RestArrival:
    """A request as it reached an API's URL."""

    api_id: str
    stage: str
    """Empty: the path's first segment names it."""
    raw_path: str
    """Percent-encoded."""
    incoming: Incoming
    """Its path and body are filled in later."""
    read_body: Callable[[], Awaitable[bytes]]
    """Raises Failure for one that is too large."""
    identify: Callable[[bytes], Principal | None]
    """Who signed the request; raises PermissionError with what is wrong."""
    by_domain: bool = False
    """Whether it came by a domain name of the API's owner."""


class RestApiServer:
    def __init__(
        self,
        live: LiveRestApis,
        backends: Backends,
        authorization: RestAuthorization,
        limits: Limits,
        reporting: Reporting,
        *,
        strict: bool,
    ) -> None:
        self._live = live
        self._backends = backends
        self._authorization = authorization
        self._limits = limits
        self._reporting = reporting
        self._strict = strict

    async def serve(self, arrival: RestArrival) -> Reply:
        try:
            stage, raw_path = self._choose_stage(arrival)
        except RestFailure as failure:
            reply = failure_reply(None, failure)
            return self._finish(reply, failure.hint, None)
        exchange = RestExchange(arrival.incoming, stage)
        exchange.incoming.path = unquote(raw_path)
        hint = ""
        try:
            reply = await self._answer(exchange, raw_path, arrival)
        except RestFailure as failure:
            reply, hint = failure_reply(exchange, failure), failure.hint
        _compress(exchange, reply)
        note(self._reporting, exchange, reply)
        return self._finish(reply, hint, exchange)

    async def test(self, exchange: RestExchange) -> Reply:
        """As `serve`, but for a method that is chosen already, and without keys, authorizers and reports."""
        try:
            validate(exchange)
            return await self._integrate(exchange)
        except RestFailure as failure:
            return failure_reply(exchange, failure)

    def _choose_stage(self, arrival: RestArrival) -> tuple[LiveRestStage, str]:
        api = self._live.find(arrival.api_id)
        if api is None:
            raise forbidden(f"There is no REST API with the id {arrival.api_id}")
        name, path = arrival.stage, arrival.raw_path
        if not name:
            first, slash, rest = arrival.raw_path[1:].partition("/")
            name, path = unquote(first), slash + rest or "/"
        stage = api.stages.get(name)
        if stage is None:
            known = ", ".join(api.stages) or "none"
            raise forbidden(f"The API has no stage {name!r} (stages: {known}). Create a deployment with a stageName")
        if api.disabled and not arrival.by_domain:
            raise forbidden("The API's default endpoint is disabled (disableExecuteApiEndpoint)")
        return stage.choose(), path

    async def _answer(self, exchange: RestExchange, raw_path: str, arrival: RestArrival) -> Reply:
        incoming = exchange.incoming
        path = raw_path.rstrip("/") or "/"
        found = exchange.stage.router.find(incoming.method, [unquote(part) for part in path[1:].split("/")])
        if found is None:
            raise RestFailure(
                "MISSING_AUTHENTICATION_TOKEN", hint=f"No deployed method matches {incoming.method} {incoming.path}"
            )
        exchange.method, exchange.path_parameters = found
        exchange.note(f"Starting execution for request: {exchange.request_id}")
        exchange.note(f"HTTP Method: {incoming.method}, Resource Path: {incoming.path}")
        try:
            incoming.body = await arrival.read_body()
        except Failure as failure:
            raise RestFailure("REQUEST_TOO_LARGE", hint=failure.hint) from None
        self._identify(exchange, arrival)
        await self._authorization.check(exchange)
        self._limits.check(exchange)
        if (bucket := exchange.method.bucket) and not bucket.take():
            raise RestFailure("THROTTLED", hint="The throttling limit of the stage or method is reached")
        validate(exchange)
        return await self._integrate(exchange)

    def _identify(self, exchange: RestExchange, arrival: RestArrival) -> None:
        assert exchange.method is not None
        if exchange.method.definition["authorizationType"] != "AWS_IAM" and not exchange.stage.api.get("policy"):
            return
        try:
            exchange.principal = arrival.identify(exchange.incoming.body)
        except PermissionError as error:
            if exchange.method.definition["authorizationType"] == "AWS_IAM":
                raise RestFailure("INVALID_SIGNATURE", str(error)) from None

    async def _integrate(self, exchange: RestExchange) -> Reply:
        started = time.perf_counter()
        try:
            reply = await self._backends.answer(exchange)
        finally:
            exchange.integration_seconds = time.perf_counter() - started
        assert exchange.method is not None
        if exchange.method.integration["type"] in ("AWS", "AWS_PROXY"):
            sent = {name for name, _ in reply.headers}
            if "x-amzn-trace-id" not in sent:
                reply.headers.append(("x-amzn-trace-id", exchange.trace_id))
        return reply

    def _finish(self, reply: Reply, hint: str, exchange: RestExchange | None) -> Reply:
        if exchange is None:
            reply.headers.append(("x-amzn-requestid", str(uuid.uuid4())))
        else:
            names = {name for name, _ in reply.headers}
            if "x-amzn-requestid" not in names:
                reply.headers.append(("x-amzn-requestid", exchange.request_id))
            reply.headers.append(("x-amz-apigw-id", exchange.extended_id))
        if hint and not self._strict:
            plain = "".join(sign if " " <= sign <= "~" else " " for sign in hint)[:1000]
            reply.headers.append(("x-outcrop-hint", plain))
        return reply


def _compress(exchange: RestExchange, reply: Reply) -> None:
    """Answers of a certain size, where the API says so and the client takes it."""
    least = exchange.stage.api.get("minimumCompressionSize")
    if least is None or len(reply.body) < least or not reply.body:
        return
    if any(name == "content-encoding" for name, _ in reply.headers):
        return
    if "gzip" in exchange.incoming.joined_headers.get("accept-encoding", ""):
        reply.body = gzip.compress(reply.body, 6)
        reply.headers.append(("content-encoding", "gzip"))
