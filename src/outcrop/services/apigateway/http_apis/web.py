"""Passes requests on to other web servers (HTTP_PROXY)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from outcrop.services.apigateway.http_apis.exchange import Exchange, Failure, Incoming, Reply
from outcrop.services.apigateway.http_apis.mapping import render_variables
from outcrop.services.apigateway.http_apis.payloads import forwarded_headers

if TYPE_CHECKING:
    import httpx

MAX_BODY = 10 * 1024 * 1024
_DROPPED = frozenset(
    {"connection", "content-length", "date", "keep-alive", "proxy-connection", "server", "transfer-encoding", "upgrade"}
)


class WebServers:
    def __init__(self) -> None:
        self._client: httpx.AsyncClient | None = None

    async def pass_on(self, exchange: Exchange, incoming: Incoming, definition: Any) -> Reply:
        """Raises Failure for a server that can't be reached or takes too long."""
        import httpx

        url = _url(exchange, incoming, definition["IntegrationUri"])
        method = definition.get("IntegrationMethod", "ANY")
        seconds = definition["TimeoutInMillis"] / 1000
        if self._client is None:
            # The system's proxies are for the way out; most targets of a local stack are local.
            self._client = httpx.AsyncClient(timeout=None, follow_redirects=False, trust_env=False)
        headers = [pair for pair in forwarded_headers(exchange, incoming) if pair[0] not in ("host", "content-length")]
        try:
            async with asyncio.timeout(seconds):
                return await self._send(
                    incoming.method if method == "ANY" else method, url, headers, incoming.body, exchange
                )
        except TimeoutError:
            exchange.integration_error = f"Endpoint request timed out after {seconds * 1000:.0f} ms"
            raise Failure(503, "Service Unavailable", hint=f"{url} didn't answer within {seconds:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            exchange.integration_error = f"{type(error).__name__}: {error}"
            raise Failure(503, "Service Unavailable", hint=f"{url}: {type(error).__name__}: {error}") from None

    async def aclose(self) -> None:
        if self._client:
            await self._client.aclose()

    async def _send(
        self, method: str, url: str, headers: list[tuple[str, str]], body: bytes, exchange: Exchange
    ) -> Reply:
        assert self._client is not None, "pass_on makes it"
        async with self._client.stream(method, url, headers=headers, content=body or None) as response:
            exchange.integration_status = response.status_code
            received = bytearray()
            async for piece in response.aiter_raw():
                received += piece
                if len(received) > MAX_BODY:
                    raise Failure(500, "Internal Server Error", hint=f"{url} answers more than {MAX_BODY} bytes")
            kept = [
                (name.decode("latin-1").lower(), value.decode("latin-1"))
                for name, value in response.headers.raw
                if name.decode("latin-1").lower() not in _DROPPED
            ]
            return Reply(response.status_code, kept, bytes(received))


def _url(exchange: Exchange, incoming: Incoming, template: str) -> str:
    """The target with path variables filled in and the client's query behind it."""
    url = render_variables(template, exchange.stage.variables)
    for name, value in exchange.path_parameters.items():
        url = url.replace(f"{{{name}}}", quote(value, safe="/"))
    changed_path = incoming.path != exchange.incoming.path
    if not exchange.route or not exchange.route.key.method or changed_path:
        base, mark, query = url.partition("?")
        url = base.rstrip("/") + quote(incoming.path, safe="/:@!$&'()*+,;=-._~") + mark + query
    if incoming.raw_query:
        url += ("&" if "?" in url else "?") + incoming.raw_query
    return url
