"""Serves requests to HTTP APIs: stage, route, limits, authorizer, integration, answer."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import unquote

from outcrop.services.apigateway.http_apis.authorization import Authorization
from outcrop.services.apigateway.http_apis.exchange import Exchange, Failure, Incoming, Reply
from outcrop.services.apigateway.http_apis.functions import Functions
from outcrop.services.apigateway.http_apis.live import LiveApis, LiveRoute, LiveStage
from outcrop.services.apigateway.http_apis.mapping import change_reply, change_request, render_variables
from outcrop.services.apigateway.http_apis.payloads import event, read_reply
from outcrop.services.apigateway.http_apis.reporting import note
from outcrop.services.apigateway.http_apis.store import Definition
from outcrop.services.apigateway.http_apis.targets import function_arn
from outcrop.services.apigateway.http_apis.web import WebServers
from outcrop.services.apigateway.reporting import Reporting
from outcrop.services.contract import Principal

NOT_FOUND = "Not Found"


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request as it reached an API's URL."""

    api_id: str
    raw_path: str
    """Percent-encoded, with the stage if there is one."""
    incoming: Incoming
    """Its path and body are filled in later."""
    read_body: Callable[[], Awaitable[bytes]]
    """Raises Failure for one that is too large."""
    identify: Callable[[bytes], Principal | None]
    """Who signed the request; raises PermissionError with what is wrong."""
    by_domain: bool = False
    """Whether it came by a domain name of the API's owner."""


class HttpApiServer:
    def __init__(
        self,
        live: LiveApis,
        functions: Functions,
        web: WebServers,
        authorization: Authorization,
        reporting: Reporting,
        *,
        strict: bool,
    ) -> None:
        self._live = live
        self._functions = functions
        self._web = web
        self._authorization = authorization
        self._reporting = reporting
        self._strict = strict

    async def serve(self, arrival: Arrival) -> Reply:
        try:
            stage, raw_path = self._choose_stage(arrival)
        except Failure as failure:
            return self._finish(failure.reply(), failure.hint, "")
        exchange = Exchange(arrival.incoming, stage)
        exchange.incoming.path = unquote(raw_path)
        hint = ""
        if not stage.cors or not (reply := stage.cors.preflight(exchange.incoming)):
            try:
                reply = await self._answer(exchange, raw_path, arrival)
            except Failure as failure:
                exchange.failure = failure
                reply, hint = failure.reply(), failure.hint
            if stage.cors:
                stage.cors.apply(exchange.incoming, reply)
        note(self._reporting, exchange, reply)
        return self._finish(reply, hint, exchange.request_id)

    def _choose_stage(self, arrival: Arrival) -> tuple[LiveStage, str]:
        api = self._live.find(arrival.api_id)
        if api is None:
            raise Failure(404, NOT_FOUND, hint=f"There is no HTTP API with the id {arrival.api_id}")
        first, slash, rest = arrival.raw_path[1:].partition("/")
        name, path = unquote(first), slash + rest or "/"
        if name not in api.stages:
            name, path = "$default", arrival.raw_path
        if name not in api.stages:
            known = ", ".join(api.stages) or "none"
            raise Failure(
                404, NOT_FOUND, hint=f"The path begins with no stage, and there is no $default (stages: {known})"
            )
        stage = api.stages[name]
        if stage is None:
            raise Failure(
                404,
                NOT_FOUND,
                hint=f"Nothing is deployed to the stage {name}: create a deployment for it, or let it AutoDeploy",
            )
        if stage.disabled and not arrival.by_domain:
            raise Failure(404, NOT_FOUND, hint="The API's default endpoint is disabled (DisableExecuteApiEndpoint)")
        return stage, path

    async def _answer(self, exchange: Exchange, raw_path: str, arrival: Arrival) -> Reply:
        stage, incoming = exchange.stage, exchange.incoming
        found = stage.router.find(incoming.method, [unquote(part) for part in raw_path[1:].split("/")])
        if found is None:
            raise Failure(404, NOT_FOUND, hint=f"No route matches {incoming.method} {incoming.path}")
        exchange.route, exchange.path_parameters = found
        if (bucket := found[0].bucket or stage.bucket) and not bucket.take():
            raise Failure(429, "Too Many Requests", hint="The throttling limit of the stage or route is reached")
        incoming.body = await arrival.read_body()
        await self._authorization.check(exchange, arrival.identify)
        return await self._integrate(exchange, found[0])

    async def _integrate(self, exchange: Exchange, route: LiveRoute) -> Reply:
        definition = route.integration
        if definition is None:
            raise Failure(404, NOT_FOUND, hint=f"The route {route.key.text} has no integration (Target)")
        incoming = change_request(route.request_changes, exchange)
        started = time.perf_counter()
        try:
            if definition["IntegrationType"] == "AWS_PROXY":
                reply = await self._call_function(exchange, incoming, definition)
            else:
                reply = await self._web.pass_on(exchange, incoming, definition)
        finally:
            exchange.integration_seconds = time.perf_counter() - started
        if route.response_changes:
            change_reply(route.response_changes, exchange, reply)
        return reply

    async def _call_function(self, exchange: Exchange, incoming: Incoming, definition: Definition) -> Reply:
        arn = function_arn(definition["IntegrationUri"])
        assert arn is not None, "the control plane lets only functions through"
        version = definition["PayloadFormatVersion"]
        payload = await self._functions.invoke(
            exchange,
            render_variables(arn, exchange.stage.variables),
            event(exchange, incoming, version),
            source_arn=exchange.arn,
            role=definition.get("CredentialsArn"),
            seconds=definition["TimeoutInMillis"] / 1000,
        )
        try:
            return read_reply(payload, version)
        except Failure as failure:
            exchange.integration_error = failure.hint
            raise

    def _finish(self, reply: Reply, hint: str, request_id: str) -> Reply:
        if request_id:
            reply.headers.append(("apigw-requestid", request_id))
        if hint and not self._strict:
            reply.headers.append(("x-outcrop-hint", _plain(hint)))
        return reply


def _plain(text: str) -> str:
    return "".join(character if " " <= character <= "~" else " " for character in text)[:1000]
