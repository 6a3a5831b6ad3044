"""What a Lambda function gets from an HTTP API, and how its answer is read: payload formats 1.0 and 2.0."""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
from collections.abc import Mapping
from typing import Any

from outcrop.services.apigateway.http_apis.exchange import Exchange, Failure, Incoming, Reply

_TEXT_TYPES = frozenset({"application/json", "application/xml", "application/javascript"})
_HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_REMAPPED = frozenset({"connection", "content-length", "date", "server", "transfer-encoding"})
_CAPITALS = {
    name.lower(): name
    for name in (
        "Content-Length",
        "Host",
        "User-Agent",
        "X-Amzn-Trace-Id",
        "X-Forwarded-For",
        "X-Forwarded-Port",
        "X-Forwarded-Proto",
    )
}
"""Format 1.0 writes these so, and all other names in lower case."""

_NO_IDENTITY = dict.fromkeys(
    (
        "accessKey",
        "accountId",
        "caller",
        "cognitoAmr",
        "cognitoAuthenticationProvider",
        "cognitoAuthenticationType",
        "cognitoIdentityId",
        "cognitoIdentityPoolId",
        "principalOrgId",
        "user",
        "userArn",
    )
)
_HEADER_NAME = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)
_HEADER_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")


def event(exchange: Exchange, incoming: Incoming, version: str) -> dict[str, Any]:
    """The event for an integration; `incoming` is the request after parameter mapping."""
    return _event_2(exchange, incoming) if version == "2.0" else _event_1(exchange, incoming)


def forwarded_headers(exchange: Exchange, incoming: Incoming) -> list[tuple[str, str]]:
    """The client's headers without those of the connection, and with those that say how the request came."""
    headers = [(name, value) for name, value in incoming.headers if name not in _HOP_BY_HOP]
    known = {name for name, _ in headers}
    if "content-length" not in known:
        headers.append(("content-length", str(len(incoming.body))))
    before = incoming.joined_headers.get("x-forwarded-for")
    headers = [pair for pair in headers if pair[0] not in ("x-forwarded-for", "x-forwarded-port", "x-forwarded-proto")]
    headers += [
        ("x-forwarded-for", f"{before}, {incoming.source_ip}" if before else incoming.source_ip),
        ("x-forwarded-port", str(incoming.port)),
        ("x-forwarded-proto", incoming.scheme),
    ]
    if "x-amzn-trace-id" not in known:
        headers.append(("x-amzn-trace-id", f"Root=1-{int(exchange.at):08x}-{os.urandom(12).hex()}"))
    return headers


def _event_2(exchange: Exchange, incoming: Incoming) -> dict[str, Any]:
    stage, cookies = exchange.stage, []
    headers: dict[str, str] = {}
    for name, value in forwarded_headers(exchange, incoming):
        if name == "cookie":
            cookies += [cookie.strip() for cookie in value.split(";") if cookie.strip()]
        else:
            headers[name] = f"{headers[name]},{value}" if name in headers else value
    path = incoming.path if stage.name == "$default" else f"/{stage.name}{incoming.path}"
    result: dict[str, Any] = {
        "version": "2.0",
        "routeKey": exchange.route_key,
        "rawPath": path,
        "rawQueryString": incoming.raw_query,
    }
    if cookies:
        result["cookies"] = cookies
    result["headers"] = headers
    if incoming.query:
        result["queryStringParameters"] = incoming.joined_query
    context: dict[str, Any] = {"accountId": stage.account, "apiId": stage.api_id}
    if exchange.authorizer:
        context["authorizer"] = exchange.authorizer
    result["requestContext"] = context | {
        "domainName": incoming.domain,
        "domainPrefix": incoming.domain.partition(".")[0],
        "http": {
            "method": incoming.method,
            "path": path,
            "protocol": "HTTP/1.1",
            "sourceIp": incoming.source_ip,
            "userAgent": headers.get("user-agent", ""),
        },
        "requestId": exchange.request_id,
        "routeKey": exchange.route_key,
        "stage": stage.name,
        "time": exchange.clock,
        "timeEpoch": int(exchange.at * 1000),
    }
    body, encoded = _body(incoming)
    if body is not None:
        result["body"] = body
    if exchange.path_parameters:
        result["pathParameters"] = exchange.path_parameters
    if stage.variables:
        result["stageVariables"] = dict(stage.variables)
    result["isBase64Encoded"] = encoded
    return result


def _event_1(exchange: Exchange, incoming: Incoming) -> dict[str, Any]:
    stage, route = exchange.stage, exchange.route
    many: dict[str, list[str]] = {}
    for name, value in forwarded_headers(exchange, incoming):
        many.setdefault(_CAPITALS.get(name, name), []).append(value)
    query: dict[str, list[str]] = {}
    for name, value in incoming.query:
        query.setdefault(name, []).append(value)
    path = incoming.path if stage.name == "$default" else f"/{stage.name}{incoming.path}"
    resource = route.key.path or route.key.text if route else ""
    body, encoded = _body(incoming)
    context: dict[str, Any] = {"accountId": stage.account, "apiId": stage.api_id}
    if exchange.authorizer:
        context["authorizer"] = exchange.authorizer
    return {
        "version": "1.0",
        "resource": resource,
        "path": path,
        "httpMethod": incoming.method,
        "headers": {name: values[-1] for name, values in many.items()},
        "multiValueHeaders": many,
        "queryStringParameters": {name: values[-1] for name, values in query.items()} or None,
        "multiValueQueryStringParameters": query or None,
        "requestContext": context
        | {
            "domainName": incoming.domain,
            "domainPrefix": incoming.domain.partition(".")[0],
            "extendedRequestId": exchange.request_id,
            "httpMethod": incoming.method,
            "identity": {
                **_NO_IDENTITY,
                "sourceIp": incoming.source_ip,
                "userAgent": incoming.joined_headers.get("user-agent", ""),
            },
            "path": path,
            "protocol": "HTTP/1.1",
            "requestId": exchange.request_id,
            "requestTime": exchange.clock,
            "requestTimeEpoch": int(exchange.at * 1000),
            "resourceId": exchange.route_key,
            "resourcePath": resource,
            "stage": stage.name,
        },
        "pathParameters": exchange.path_parameters or None,
        "stageVariables": dict(stage.variables) or None,
        "body": body,
        "isBase64Encoded": encoded,
    }


def _body(incoming: Incoming) -> tuple[str | None, bool]:
    """The body as text, or in base64 unless its type says that it is text; and whether it is base64."""
    if not incoming.body:
        return None, False
    kind = incoming.joined_headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in _TEXT_TYPES or kind.startswith("text/"):
        try:
            return incoming.body.decode(), False
        except UnicodeDecodeError:
            pass
    return base64.b64encode(incoming.body).decode(), True


def read_reply(payload: bytes, version: str) -> Reply:
    """A function's answer as an HTTP answer. Raises Failure for one that isn't."""
    try:
        answer = json.loads(payload)
    except (ValueError, RecursionError):
        raise _malformed("the function's answer is not JSON") from None
    if version == "2.0" and not (isinstance(answer, dict) and "statusCode" in answer):
        body = answer.encode("utf-8", "surrogatepass") if isinstance(answer, str) else payload
        return Reply(200, [("content-type", "application/json")], body)
    if not isinstance(answer, dict) or "statusCode" not in answer:
        raise _malformed('with payload format 1.0 a function must return {"statusCode": …, "body": …}')
    headers = _headers(answer.get("headers"), "headers")
    if version == "2.0":
        headers += [("set-cookie", cookie) for cookie in _strings(answer.get("cookies"), "cookies")]
    else:
        headers = _with_many(headers, answer.get("multiValueHeaders"))
    if not any(name == "content-type" for name, _ in headers):
        headers.append(("content-type", "text/plain; charset=utf-8"))
    return Reply(_status(answer["statusCode"]), headers, _reply_body(answer))


def _malformed(what: str) -> Failure:
    return Failure(500, "Internal Server Error", hint=f"The function's answer can't be sent: {what}")


def _status(value: Any) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) == 3:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 200 <= value <= 599:
        raise _malformed(f"statusCode is {json.dumps(value)[:80]}, not a number from 200 to 599")
    return value


def _headers(given: Any, what: str) -> list[tuple[str, str]]:
    if given is None:
        return []
    if not isinstance(given, dict):
        raise _malformed(f"{what} is not an object")
    return [_header(name, value, what) for name, value in given.items() if value is not None]


def _header(name: str, value: Any, what: str) -> tuple[str, str]:
    if isinstance(value, bool):
        value = "true" if value else "false"
    elif isinstance(value, int | float):
        value = json.dumps(value)
    if not isinstance(value, str) or not _HEADER_VALUE.fullmatch(value) or not _HEADER_NAME.fullmatch(name):
        raise _malformed(f"{what} has a name or value that HTTP doesn't allow: {name[:80]!r}")
    name = name.lower()
    return (f"x-amzn-remapped-{name}" if name in _REMAPPED else name), value


def _strings(given: Any, what: str) -> list[str]:
    if given is None:
        return []
    if not isinstance(given, list) or not all(isinstance(one, str) and _HEADER_VALUE.fullmatch(one) for one in given):
        raise _malformed(f"{what} is not a list of strings")
    return given


def _with_many(headers: list[tuple[str, str]], given: Any) -> list[tuple[str, str]]:
    """`multiValueHeaders` win over `headers` of the same name."""
    if given is None:
        return headers
    if not isinstance(given, dict) or not all(isinstance(values, list) for values in given.values()):
        raise _malformed("multiValueHeaders is not an object of lists")
    many = [_header(name, value, "multiValueHeaders") for name, values in given.items() for value in values]
    names = {name for name, _ in many}
    return [pair for pair in headers if pair[0] not in names] + many


def _reply_body(answer: Mapping[str, Any]) -> bytes:
    body = answer.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise _malformed("body is not a string; use json.dumps(…) on it")
    if not answer.get("isBase64Encoded"):
        return body.encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise _malformed("isBase64Encoded is true, but body is not base64") from None
