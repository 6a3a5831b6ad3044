"""Serves connections to WebSocket APIs: `$connect`, messages by their route, `$disconnect`."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from outcrop.engines.templating import read_path
from outcrop.services.apigateway.http_apis.authorization import allows
from outcrop.services.apigateway.http_apis.exchange import clock
from outcrop.services.apigateway.http_apis.mapping import render_variables
from outcrop.services.apigateway.http_apis.targets import function_arn
from outcrop.services.apigateway.invoker import Invoker, permission_hint
from outcrop.services.apigateway.reporting import Reporting
from outcrop.services.apigateway.rest_apis.exchange import titled
from outcrop.services.apigateway.websockets.connections import (
    MAX_MESSAGE,
    Connection,
    Connections,
    GoneException,
)
from outcrop.services.apigateway.websockets.live import LiveSockets, SocketRoute, SocketStage
from outcrop.services.contract import ServiceError
from outcrop.services.surface import HttpRequest, HttpResponse, Socket

IDLE_SECONDS = 600.0
LONGEST_SECONDS = 7200.0


class Refused(Exception):
    """The connection doesn't come about."""

    def __init__(self, status: int, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an integration answered."""

    status: int
    headers: Mapping[str, str]
    body: str


class SocketServer:
    def __init__(
        self,
        live: LiveSockets,
        connections: Connections,
        invoker: Invoker,
        reporting: Reporting,
        *,
        strict: bool,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._live = live
        self._connections = connections
        self._invoker = invoker
        self._reporting = reporting
        self._strict = strict
        self._idle_seconds = idle_seconds

    async def serve(self, api_id: str, stage_name: str, domain: str, request: HttpRequest, socket: Socket) -> None:
        """From the handshake to the end."""
        stage = self._live.find(api_id, stage_name)
        if stage is None:
            hint = f"The WebSocket API {api_id} has no deployed stage {stage_name!r}"
            await self._refuse(socket, Refused(403, "Forbidden", hint))
            return
        agent = request.header("user-agent") or ""
        connection = Connection(stage.account, api_id, stage_name, socket, request.source_ip, agent)
        talk = _Talk(self, stage, connection, request, domain)
        try:
            headers = await talk.connect()
        except Refused as refused:
            self._measure(stage, "ClientError" if refused.status < 500 else "ExecutionError")
            await self._refuse(socket, refused)
            return
        self._connections.add(connection)
        self._measure(stage, "ConnectCount")
        code, reason = 1006, ""
        try:
            await socket.accept(headers)
            code, reason = await self._listen(talk, connection, socket)
        finally:
            self._connections.remove(connection)
            await talk.disconnect(code, reason)

    async def _listen(self, talk: _Talk, connection: Connection, socket: Socket) -> tuple[int, str]:
        """Take messages until the connection ends; how it ended."""
        until = time.monotonic() + LONGEST_SECONDS
        while True:
            seconds = min(self._idle_seconds, until - time.monotonic())
            try:
                async with asyncio.timeout(max(seconds, 0)):
                    message = await socket.receive()
            except TimeoutError:
                await socket.close(1001, "Going away")
                return 1001, "Going away"
            if message is None:
                return socket.ended
            connection.last_active_at = time.time()
            self._measure(talk.stage, "MessageCount")
            size = len(message.encode() if isinstance(message, str) else message)
            if size > MAX_MESSAGE:
                await socket.close(1009, "Message too long")
                return 1009, "Message too long"
            try:
                await talk.take(message)
            except GoneException:
                return 1006, ""

    async def _refuse(self, socket: Socket, refused: Refused) -> None:
        body = json.dumps({"message": refused.message}).encode()
        headers = [("content-type", "application/json"), ("content-length", str(len(body)))]
        if refused.hint and not self._strict:
            plain = "".join(sign if " " <= sign <= "~" else " " for sign in refused.hint)[:1000]
            headers.append(("x-outcrop-hint", plain))
        await socket.refuse(HttpResponse(refused.status, headers, body))

    def _measure(self, stage: SocketStage, name: str, value: float = 1.0) -> None:
        api = ("ApiId", stage.api_id)
        self._reporting.measure(stage.owner, [(name, value)], [(api,), (api, ("Stage", stage.name))])

    async def call(self, talk: _Talk, route: SocketRoute, event: Mapping[str, Any]) -> Outcome:
        """Ask the route's integration. Raises Refused."""
        integration = route.integration
        if integration is None:
            return Outcome(200, {}, "")
        started = time.perf_counter()
        try:
            match integration["IntegrationType"]:
                case "MOCK":
                    return Outcome(200, {}, _mocked(integration, route))
                case "HTTP_PROXY":
                    return await _post(integration, talk.stage, event)
            return await self._function(talk, integration, event)
        finally:
            self._measure(talk.stage, "IntegrationLatency", float(round((time.perf_counter() - started) * 1000)))

    async def _function(self, talk: _Talk, integration: Mapping[str, Any], event: Mapping[str, Any]) -> Outcome:
        uri, route_key = integration["IntegrationUri"], event["requestContext"]["routeKey"]
        payload = await self.invoke(
            talk,
            uri,
            event,
            f"{talk.base}/{route_key}",
            integration.get("CredentialsArn"),
            integration["TimeoutInMillis"],
        )
        try:
            answer = json.loads(payload)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict) or "statusCode" not in answer:
            return Outcome(200, {}, payload.decode("utf-8", "replace") if answer is not None else "")
        status = answer["statusCode"]
        if not isinstance(status, int) or isinstance(status, bool) or not 100 <= status <= 599:
            raise Refused(502, "Internal server error", "The function's statusCode is no status code")
        headers = answer.get("headers") if isinstance(answer.get("headers"), dict) else {}
        assert isinstance(headers, dict)
        body = answer.get("body")
        return Outcome(
            status,
            {str(name).lower(): str(value) for name, value in headers.items()},
            body if isinstance(body, str) else "" if body is None else json.dumps(body),
        )

    async def invoke(
        self, talk: _Talk, uri: str, event: Mapping[str, Any], source: str, role: str | None, milliseconds: int
    ) -> bytes:
        """A function's answer. Raises Refused."""
        stage = talk.stage
        arn = function_arn(render_variables(uri, stage.variables))
        if arn is None:
            raise Refused(500, "Internal server error", f"{uri[:200]} doesn't name a function")
        payload = json.dumps(event, separators=(",", ":")).encode()
        try:
            found = await self._invoker.invoke(
                stage.owner, arn, payload, source_arn=source, role=role, seconds=milliseconds / 1000
            )
        except TimeoutError:
            self._measure(stage, "IntegrationError")
            raise Refused(504, "Endpoint request timed out", f"{arn} took longer than {milliseconds} ms") from None
        except ServiceError as error:
            self._measure(stage, "IntegrationError")
            denied = error.code == "AccessDeniedException"
            hint = permission_hint(arn, stage.region, stage.account, stage.api_id) if denied else error.message
            raise Refused(500, "Internal server error", hint) from None
        if found.failed:
            self._measure(stage, "IntegrationError")
            raise Refused(502, "Internal server error", f"{arn} failed: {found.summary}")
        return found.payload


class _Talk:
    """One connection's events."""

    def __init__(
        self, server: SocketServer, stage: SocketStage, connection: Connection, request: HttpRequest, domain: str
    ) -> None:
        self.stage = stage
        self._server = server
        self._connection = connection
        self._request = request
        self._domain = domain
        self._authorizer: dict[str, Any] = {}

    @property
    def base(self) -> str:
        stage = self.stage
        return f"arn:aws:execute-api:{stage.region}:{stage.account}:{stage.api_id}/{stage.name}"

    async def connect(self) -> Sequence[tuple[str, str]]:
        """Headers of the handshake's answer. Raises Refused."""
        route = self.stage.routes.get("$connect")
        if route is None:
            return ()
        if route.bucket and not route.bucket.take():
            raise Refused(429, "Too Many Requests")
        await self._authorize(route)
        event = {**self._handshake(), "requestContext": self._context("$connect", "CONNECT"), "isBase64Encoded": False}
        outcome = await self._server.call(self, route, self._with_variables(event))
        if not 200 <= outcome.status < 300:
            raise Refused(outcome.status, outcome.body or "Forbidden", f"$connect answered {outcome.status}")
        protocol = outcome.headers.get("sec-websocket-protocol")
        return (("sec-websocket-protocol", protocol),) if protocol else ()

    async def take(self, message: str | bytes) -> None:
        """Route a message and answer it. Raises GoneException."""
        text = message if isinstance(message, str) else base64.b64encode(message).decode()
        route = self.stage.routes.get(self._choose(message)) or self.stage.routes.get("$default")
        if route is None:
            await self._complain("Forbidden", "")
            return
        if route.bucket and not route.bucket.take():
            await self._complain("Too Many Requests", route.key)
            return
        context = self._context(route.key, "MESSAGE")
        event = {"requestContext": context, "body": text, "isBase64Encoded": isinstance(message, bytes)}
        try:
            outcome = await self._server.call(self, route, self._with_variables(event))
        except Refused as refused:
            await self._complain(refused.message, route.key, context["requestId"])
            return
        if route.two_way and outcome.body:
            await self._connection.send(outcome.body)

    async def disconnect(self, code: int, reason: str) -> None:
        route = self.stage.routes.get("$disconnect")
        if route is None:
            return
        context = self._context("$disconnect", "DISCONNECT")
        context |= {"disconnectStatusCode": code, "disconnectReason": reason}
        event = {**self._handshake(), "requestContext": context, "isBase64Encoded": False}
        try:
            await self._server.call(self, route, self._with_variables(event))
        except Refused:
            return

    def _choose(self, message: str | bytes) -> str:
        """The route key that a message names."""
        if isinstance(message, bytes):
            return "$default"
        try:
            found = read_path(json.loads(message), "$." + self.stage.selection.removeprefix("request.body."))
        except (ValueError, RecursionError):
            return "$default"
        return found if isinstance(found, str) and not found.startswith("$") else "$default"

    async def _complain(self, message: str, route_key: str, request_id: str = "") -> None:
        answer = {"message": message, "connectionId": self._connection.id, "requestId": request_id or _request_id()}
        await self._connection.send(json.dumps(answer))

    async def _authorize(self, route: SocketRoute) -> None:
        kind = route.definition.get("AuthorizationType", "NONE")
        if kind == "AWS_IAM":
            try:
                if self._request.identify(b"") is None:
                    raise Refused(403, "Missing Authentication Token", "$connect asks for a signed request (AWS_IAM)")
            except PermissionError as error:
                raise Refused(403, str(error)) from None
        elif kind == "CUSTOM":
            await self._ask(route.definition["AuthorizerId"])

    async def _ask(self, authorizer_id: str) -> None:
        """Let a function decide. Raises Refused."""
        authorizer = self.stage.authorizers.get(authorizer_id)
        if authorizer is None:
            raise Refused(500, "Internal server error", f"There is no authorizer {authorizer_id}")
        for source in authorizer.get("IdentitySource", ()):
            if not self._value(source):
                raise Refused(401, "Unauthorized", f"The request lacks {source}, which the authorizer asks for")
        arn = f"{self.base}/$connect"
        event = {
            "type": "REQUEST",
            "methodArn": arn,
            **self._handshake(),
            "stageVariables": dict(self.stage.variables),
            "requestContext": self._context("$connect", "CONNECT"),
        }
        source_arn = f"{self.base.rpartition('/')[0]}/authorizers/{authorizer_id}"
        payload = await self._server.invoke(
            self, authorizer["AuthorizerUri"], event, source_arn, authorizer.get("AuthorizerCredentialsArn"), 29_000
        )
        try:
            answer = json.loads(payload)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise Refused(500, "Internal server error", "The authorizer didn't answer with a policy")
        if not allows(answer.get("policyDocument"), arn):
            raise Refused(403, "User is not authorized to access this resource", "The authorizer's policy denies it")
        context = answer.get("context") if isinstance(answer.get("context"), dict) else {}
        assert isinstance(context, dict)
        self._authorizer = {**context, "principalId": answer.get("principalId")}

    def _value(self, source: str) -> str | None:
        """`route.request.header.x` and `route.request.querystring.x`."""
        place, _, name = source.removeprefix("$").removeprefix("route.").removeprefix("request.").partition(".")
        if place == "header":
            return self._request.header(name.lower())
        if place == "querystring":
            return dict(parse_qsl(self._request.raw_query, keep_blank_values=True)).get(name)
        return self.stage.variables.get(name)

    def _handshake(self) -> dict[str, Any]:
        headers: dict[str, list[str]] = {}
        for name, value in self._request.headers:
            headers.setdefault(_capitals(name), []).append(value)
        query: dict[str, list[str]] = {}
        for name, value in parse_qsl(self._request.raw_query, keep_blank_values=True):
            query.setdefault(name, []).append(value)
        result: dict[str, Any] = {
            "headers": {name: values[-1] for name, values in headers.items()},
            "multiValueHeaders": headers,
        }
        if query:
            result["queryStringParameters"] = {name: values[-1] for name, values in query.items()}
            result["multiValueQueryStringParameters"] = query
        return result

    def _with_variables(self, event: dict[str, Any]) -> dict[str, Any]:
        return {**event, "stageVariables": dict(self.stage.variables)} if self.stage.variables else event

    def _context(self, route_key: str, kind: str) -> dict[str, Any]:
        connection, stage = self._connection, self.stage
        request_id, now = _request_id(), time.time()
        context: dict[str, Any] = {"routeKey": route_key}
        if self._authorizer:
            context["authorizer"] = self._authorizer
        if kind == "MESSAGE":
            context["messageId"] = base64.b64encode(os.urandom(10)).decode()
        return context | {
            "eventType": kind,
            "extendedRequestId": request_id,
            "requestTime": clock(now),
            "messageDirection": "IN",
            "stage": stage.name,
            "connectedAt": int(connection.connected_at * 1000),
            "requestTimeEpoch": int(now * 1000),
            "identity": {"userAgent": connection.user_agent, "sourceIp": connection.source_ip},
            "requestId": request_id,
            "domainName": self._domain,
            "connectionId": connection.id,
            "apiId": stage.api_id,
        }


def _request_id() -> str:
    return base64.urlsafe_b64encode(uuid.uuid4().bytes[:11]).decode()


def _capitals(name: str) -> str:
    return re.sub(r"(?i)websocket", "WebSocket", name.title()) if name.startswith("sec-websocket") else titled(name)


def _mocked(integration: Mapping[str, Any], route: SocketRoute) -> str:
    """A mock answers what the template of its `$default` answer says, as it is written."""
    for answer in route.answers:
        if answer["IntegrationResponseKey"] == "$default":
            templates: Mapping[str, str] = answer.get("ResponseTemplates", {})
            return next(iter(templates.values()), "")
    return ""


async def _post(integration: Mapping[str, Any], stage: SocketStage, event: Mapping[str, Any]) -> Outcome:
    """Pass a message on to a web server. Raises Refused."""
    import httpx

    url = render_variables(integration["IntegrationUri"], stage.variables)
    method = integration.get("IntegrationMethod", "POST")
    content = str(event.get("body") or "").encode()
    seconds = integration["TimeoutInMillis"] / 1000
    headers = {"content-type": "application/json", "connectionid": event["requestContext"]["connectionId"]}
    try:
        async with httpx.AsyncClient(timeout=seconds, trust_env=False) as client:
            response = await client.request(
                "POST" if method == "ANY" else method, url, content=content, headers=headers
            )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Refused(500, "Internal server error", f"{url}: {type(error).__name__}: {error}") from None
    return Outcome(response.status_code, {}, response.text[:MAX_MESSAGE])
