"""What a function gets from a proxy integration, and how its answer is read."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from typing import Any

from outcrop.services.apigateway.http_apis.exchange import Reply
from outcrop.services.apigateway.rest_apis.exchange import RestExchange
from outcrop.services.apigateway.rest_apis.failures import RestFailure

_ALLOWED = {"statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"}
_REMAPPED = frozenset(
    (
        "connection",
        "content-length",
        "date",
        "expect",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "server",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "www-authenticate",
    )
)
_HEADER_NAME = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)
_HEADER_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")


def proxy_event(exchange: RestExchange, body: str | None, encoded: bool) -> dict[str, Any]:
    """The event of a proxy integration, format 1.0."""
    incoming, method = exchange.incoming, exchange.method
    assert method is not None
    headers = many(exchange.forwarded_headers())
    query = many(incoming.query)
    return {
        "resource": method.path,
        "path": incoming.path,
        "httpMethod": incoming.method,
        "headers": {name: values[-1] for name, values in headers.items()},
        "multiValueHeaders": headers,
        "queryStringParameters": {name: values[-1] for name, values in query.items()} or None,
        "multiValueQueryStringParameters": query or None,
        "pathParameters": exchange.path_parameters or None,
        "stageVariables": dict(exchange.stage.variables) or None,
        "requestContext": exchange.request_context(),
        "body": body,
        "isBase64Encoded": encoded,
    }


def many(pairs: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def read_proxy_answer(payload: bytes, *, decode: bool) -> Reply:
    """A function's answer as an HTTP answer; `decode`: whether the client takes binary. Raises RestFailure."""
    try:
        answer = json.loads(payload)
    except (ValueError, RecursionError):
        raise malformed("it is not JSON") from None
    if not isinstance(answer, dict):
        raise malformed('a function must return {"statusCode": …, "headers": …, "body": "…"}')
    if strangers := sorted(set(answer) - _ALLOWED):
        raise malformed(f"it has members that a proxy answer doesn't have: {', '.join(strangers)[:200]}")
    status = _status(answer.get("statusCode", 200))
    headers = read_headers(answer.get("headers"), answer.get("multiValueHeaders"))
    if not any(name == "content-type" for name, _ in headers):
        headers.append(("content-type", "application/json"))
    return Reply(status, headers, _body(answer, decode))


def malformed(what: str) -> RestFailure:
    return RestFailure("MALFORMED_PROXY_RESPONSE", hint=f"The function's answer can't be sent: {what}")


def _status(value: Any) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) == 3:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 100 <= value <= 599:
        raise malformed(f"statusCode is {json.dumps(value)[:80]}, not a number from 100 to 599")
    return value


def read_headers(single: Any, several: Any) -> list[tuple[str, str]]:
    """`multiValueHeaders` win over `headers` of the same name. Raises RestFailure."""
    if not isinstance(single or {}, dict) or not isinstance(several or {}, dict):
        raise malformed("headers are not an object")
    pairs = [_header(name, value) for name, value in (single or {}).items() if value is not None]
    lists = (several or {}).items()
    if not all(isinstance(values, list) for _, values in lists):
        raise malformed("multiValueHeaders is not an object of lists")
    extra = [_header(name, value) for name, values in lists for value in values]
    names = {name for name, _ in extra}
    return [pair for pair in pairs if pair[0] not in names] + extra


def _header(name: str, value: Any) -> tuple[str, str]:
    if isinstance(value, bool | int | float):
        value = json.dumps(value)
    if not isinstance(value, str) or not _HEADER_VALUE.fullmatch(value) or not _HEADER_NAME.fullmatch(name):
        raise malformed(f"a header has a name or value that HTTP doesn't allow: {name[:80]!r}")
    name = name.lower()
    return (f"x-amzn-remapped-{name}" if name in _REMAPPED else name), value


def _body(answer: Mapping[str, Any], decode: bool) -> bytes:
    body = answer.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise malformed("body is not a string; use json.dumps(…) on it")
    if not (answer.get("isBase64Encoded") and decode):
        return body.encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise malformed("isBase64Encoded is true, but body is not base64") from None


def is_binary(media_types: Any, content_type: str) -> bool:
    """Whether a type is among an API's binary media types: `image/png`, `image/*`, `*/*`."""
    kind = content_type.partition(",")[0].partition(";")[0].strip().lower()
    for media_type in media_types or ():
        wanted = media_type.replace("~1", "/").lower()
        if wanted in ("*/*", kind) or (wanted.endswith("/*") and kind.startswith(wanted[:-1])):
            return True
    return False
