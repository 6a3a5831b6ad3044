"""Integrations: Lambda functions (proxy and custom), web servers, and the mock."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from outcrop.services.apigateway.http_apis.exchange import Reply
from outcrop.services.apigateway.http_apis.mapping import render_variables
from outcrop.services.apigateway.http_apis.targets import function_arn
from outcrop.services.apigateway.invoker import Invoker, permission_hint
from outcrop.services.apigateway.rest_apis.events import is_binary, many, proxy_event, read_proxy_answer
from outcrop.services.apigateway.rest_apis.exchange import RestExchange
from outcrop.services.apigateway.rest_apis.failures import RestFailure
from outcrop.services.apigateway.rest_apis.parameters import apply_overrides, mapped_request
from outcrop.services.apigateway.rest_apis.responses import choose_response, convert, shape_reply
from outcrop.services.apigateway.rest_apis.store import Definition
from outcrop.services.apigateway.rest_apis.templates import choose, render
from outcrop.services.contract import ServiceError

if TYPE_CHECKING:
    import httpx

MAX_BODY = 10 * 1024 * 1024
_DROPPED = frozenset(["connection", "content-length", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"])
_NOT_SENT = ("host", "content-length", "expect")


class Backends:
    def __init__(self, invoker: Invoker) -> None:
        self._invoker = invoker
        self._client: httpx.AsyncClient | None = None

    async def aclose(self) -> None:
        if self._client:
            await self._client.aclose()

    async def answer(self, exchange: RestExchange) -> Reply:
        """Raises RestFailure."""
        assert exchange.method is not None
        integration = exchange.method.integration
        match integration["type"]:
            case "AWS_PROXY":
                return await self._proxy_function(exchange, integration)
            case "AWS":
                return await self._custom_function(exchange, integration)
            case "HTTP_PROXY":
                return await self._pass_on(exchange, integration)
            case "HTTP":
                return await self._custom_web(exchange, integration)
        return _mock(exchange, integration)

    # Lambda

    async def _proxy_function(self, exchange: RestExchange, integration: Definition) -> Reply:
        if integration.get("httpMethod") != "POST":
            raise RestFailure(
                "API_CONFIGURATION_ERROR",
                "Internal server error",
                hint="A Lambda integration's integrationHttpMethod must be POST",
            )
        incoming, media_types = exchange.incoming, exchange.stage.api.get("binaryMediaTypes")
        encoded = bool(incoming.body) and is_binary(media_types, incoming.joined_headers.get("content-type", ""))
        body = _text(incoming.body, encoded) if incoming.body else None
        event = proxy_event(exchange, body, encoded)
        for name, source in mapped_request(exchange, integration.get("requestParameters", {}))["header"].items():
            event["headers"][name] = source[-1]
            event["multiValueHeaders"][name] = source
        payload = json.dumps(event, separators=(",", ":")).encode()
        exchange.note(f"Endpoint request body after transformations: {payload[:1000].decode('utf-8', 'replace')}")
        _, answer, failed = await self._invoke(exchange, integration, payload)
        if failed:
            exchange.note(f"Lambda execution failed with status 200 due to customer function error: {failed}")
            raise RestFailure("MALFORMED_PROXY_RESPONSE", hint=f"The function failed: {failed}")
        accept = incoming.joined_headers.get("accept", "")
        try:
            return read_proxy_answer(answer, decode=is_binary(media_types, accept))
        except RestFailure:
            exchange.note("Execution failed due to configuration error: Malformed Lambda proxy response")
            raise

    async def _custom_function(self, exchange: RestExchange, integration: Definition) -> Reply:
        if function_arn(integration["uri"]) is None:
            raise RestFailure(
                "API_CONFIGURATION_ERROR",
                "Internal server error",
                hint=f"Outcrop's AWS integrations call Lambda functions only, not {integration['uri'][:200]}. Put a "
                "function between.",
            )
        places = mapped_request(exchange, integration.get("requestParameters", {}))
        body = request_body(exchange, integration)
        apply_overrides(exchange, places)
        kind = next((v[-1] for k, v in places["header"].items() if k.lower() == "x-amz-invocation-type"), "")
        payload = body or b"{}"
        try:
            json.loads(payload)
        except (ValueError, RecursionError):
            raise RestFailure(
                "BAD_REQUEST_BODY",
                "Could not parse request body into json: Unexpected character",
                hint="What the mapping template made of the request is not JSON, which a function must get",
            ) from None
        asynchronous = kind.strip("'") == "Event"
        status, answer, failed = await self._invoke(exchange, integration, payload, "Event" if asynchronous else "")
        message = _error_message(answer) if failed else ""
        chosen = choose_response(exchange, integration, message if failed else None)
        reply = Reply(status, [("content-type", "application/json")], answer)
        return shape_reply(exchange, chosen, reply)

    async def _invoke(
        self, exchange: RestExchange, integration: Definition, payload: bytes, kind: str = ""
    ) -> tuple[int, bytes, str]:
        """The status, the payload, and in one line how it failed."""
        stage = exchange.stage
        arn = function_arn(render_variables(integration["uri"], stage.variables))
        if arn is None:
            raise RestFailure(
                "API_CONFIGURATION_ERROR",
                "Internal server error",
                hint=f"{integration['uri'][:200]} doesn't name a function once its stage variables are filled in",
            )
        seconds = integration["timeoutInMillis"] / 1000
        role = integration.get("credentials")
        if role == "arn:aws:iam::*:user/*":
            role = None
        try:
            found = await self._invoker.invoke(
                stage.owner,
                arn,
                payload,
                source_arn=exchange.source_arn,
                role=role,
                seconds=seconds,
                kind=kind or "RequestResponse",
            )
        except TimeoutError:
            exchange.note("Execution failed due to a timeout error")
            raise RestFailure("INTEGRATION_TIMEOUT", hint=f"{arn} didn't answer within {seconds:g} s") from None
        except ServiceError as error:
            exchange.integration_status, exchange.integration_error = error.status, error.message
            exchange.note(f"Execution failed due to configuration error: {error.message}")
            raise _refused(exchange, arn, error) from None
        exchange.integration_status = found.status
        if found.failed:
            exchange.integration_error = f"The Lambda function returned an error: {found.summary}"
        return found.status, found.payload, found.summary if found.failed else ""

    # Web servers

    async def _pass_on(self, exchange: RestExchange, integration: Definition) -> Reply:
        incoming = exchange.incoming
        places = mapped_request(exchange, integration.get("requestParameters", {}))
        headers = many(pair for pair in exchange.forwarded_headers() if pair[0].lower() not in _NOT_SENT)
        query = many(incoming.query)
        places["header"] = {**_without(headers, places["header"]), **places["header"]}
        places["querystring"] = {**query, **places["querystring"]}
        return await self._send(exchange, integration, places, incoming.body)

    async def _custom_web(self, exchange: RestExchange, integration: Definition) -> Reply:
        places = mapped_request(exchange, integration.get("requestParameters", {}))
        body = request_body(exchange, integration)
        apply_overrides(exchange, places)
        content_type = exchange.incoming.joined_headers.get("content-type", "application/json")
        if not any(name.lower() == "content-type" for name in places["header"]):
            places["header"]["Content-Type"] = [content_type]
        places["header"].setdefault("User-Agent", [f"AmazonAPIGateway_{exchange.stage.api_id}"])
        places["header"].setdefault("X-Amzn-Apigateway-Api-Id", [exchange.stage.api_id])
        reply = await self._send(exchange, integration, places, body)
        chosen = choose_response(exchange, integration, str(reply.status))
        return shape_reply(exchange, chosen, reply)

    async def _send(
        self,
        exchange: RestExchange,
        integration: Definition,
        places: Mapping[str, Mapping[str, list[str]]],
        body: bytes,
    ) -> Reply:
        import httpx

        url = _url(exchange, integration, places)
        method = integration["httpMethod"]
        method = exchange.incoming.method if method == "ANY" else method
        seconds = integration["timeoutInMillis"] / 1000
        headers = [(name, value) for name, values in places["header"].items() for value in values]
        if self._client is None:
            # The system's proxies are for the way out; most targets of a local stack are local.
            self._client = httpx.AsyncClient(timeout=None, follow_redirects=False, trust_env=False)
        try:
            async with asyncio.timeout(seconds):
                return await _fetch(self._client, exchange, method, url, headers, body)
        except TimeoutError:
            exchange.note("Execution failed due to a timeout error")
            raise RestFailure("INTEGRATION_TIMEOUT", hint=f"{url} didn't answer within {seconds:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            exchange.integration_error = f"{type(error).__name__}: {error}"
            exchange.note(f"Execution failed due to configuration error: {exchange.integration_error}")
            raise RestFailure(
                "API_CONFIGURATION_ERROR", "Internal server error", hint=f"{url}: {exchange.integration_error}"
            ) from None


async def _fetch(
    client: httpx.AsyncClient,
    exchange: RestExchange,
    method: str,
    url: str,
    headers: list[tuple[str, str]],
    body: bytes,
) -> Reply:
    async with client.stream(method, url, headers=headers, content=body or None) as response:
        exchange.integration_status = response.status_code
        received = bytearray()
        async for piece in response.aiter_raw():
            received += piece
            if len(received) > MAX_BODY:
                raise RestFailure(
                    "API_CONFIGURATION_ERROR", "Internal server error", hint=f"{url} answers more than {MAX_BODY} bytes"
                )
        kept = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in response.headers.raw]
        remapped = [
            (f"x-amzn-remapped-{name}" if name in ("date", "server", "www-authenticate") else name, value)
            for name, value in kept
            if name not in _DROPPED
        ]
        return Reply(response.status_code, remapped, bytes(received))


def _url(exchange: RestExchange, integration: Definition, places: Mapping[str, Mapping[str, list[str]]]) -> str:
    url = render_variables(integration["uri"], exchange.stage.variables)
    for name, values in places["path"].items():
        filled = quote(values[-1], safe="/:@!$&'()*+,;=-._~")
        url = url.replace(f"{{{name}}}", filled).replace(f"{{{name}+}}", filled)
    query = urlencode([(name, value) for name, values in places["querystring"].items() for value in values])
    if query:
        url += ("&" if "?" in url else "?") + query
    return url


def _without(headers: Mapping[str, list[str]], others: Mapping[str, list[str]]) -> dict[str, list[str]]:
    names = {name.lower() for name in others}
    return {name: values for name, values in headers.items() if name.lower() not in names}


def request_body(exchange: RestExchange, integration: Definition) -> bytes:
    """The body as the integration gets it: through a template, or as it is where the passthrough behaviour lets it.
    Raises RestFailure."""
    incoming = exchange.incoming
    content_type = incoming.joined_headers.get("content-type", "") or "application/json"
    templates = integration.get("requestTemplates") or {}
    body = convert(incoming.body, integration.get("contentHandling"))
    template = choose(templates, content_type)
    if template is None:
        behaviour = integration["passthroughBehavior"]
        if behaviour == "NEVER" or (behaviour == "WHEN_NO_TEMPLATES" and templates):
            raise RestFailure(
                "UNSUPPORTED_MEDIA_TYPE", hint=f"There is no mapping template for {content_type} ({behaviour})"
            )
        return body
    if not template:
        return body
    binary = is_binary(exchange.stage.api.get("binaryMediaTypes"), content_type)
    text = _text(body, binary and integration.get("contentHandling") is None)
    rendered = render(exchange, template, text)
    exchange.note(f"Endpoint request body after transformations: {rendered[:1000]}")
    return rendered.encode("utf-8", "surrogatepass")


def _mock(exchange: RestExchange, integration: Definition) -> Reply:
    """The request template says which of the integration's answers it is: `{"statusCode": 200}`."""
    body = request_body(exchange, integration)
    found = re.search(rb"['\"]?statusCode['\"]?\s*:\s*['\"]?(\d{3})\b", body)
    if not found:
        exchange.note(
            "Execution failed due to configuration error: Unable to parse statusCode. It should be an integer"
        )
        raise RestFailure(
            "API_CONFIGURATION_ERROR",
            "Internal server error",
            hint='A MOCK integration needs a request template that makes {"statusCode": 200}; this request got '
            f"{body[:80].decode('utf-8', 'replace')!r}",
        )
    status = found[1].decode()
    exchange.integration_status = int(status)
    return shape_reply(exchange, choose_response(exchange, integration, status), Reply(int(status), [], b""))


def _error_message(payload: bytes) -> str:
    try:
        error: Any = json.loads(payload)
        return str(error.get("errorMessage") or "")
    except (ValueError, AttributeError, RecursionError):
        return ""


def _text(body: bytes, encoded: bool) -> str:
    return base64.b64encode(body).decode() if encoded else body.decode("utf-8", "replace")


def _refused(exchange: RestExchange, arn: str, error: ServiceError) -> RestFailure:
    stage = exchange.stage
    hint = f"{error.code}: {error.message}"
    match error.code:
        case "AccessDeniedException":
            hint = permission_hint(arn, stage.region, stage.account, stage.api_id)
        case "RequestTooLargeException" | "RequestEntityTooLargeException":
            return RestFailure("REQUEST_TOO_LARGE", "Request Too Long", hint=error.message)
    return RestFailure("API_CONFIGURATION_ERROR", "Internal server error", hint=hint)
