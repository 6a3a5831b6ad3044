"""Plain HTTP: downloads of code, and function URLs."""

from __future__ import annotations

import base64
import json
import re
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, unquote

from outcrop.services.contract import Context, Principal, ServiceError
from outcrop.services.lambda_.code import PATH, CodeStore
from outcrop.services.lambda_.invocations import Invocations
from outcrop.services.lambda_.store import Function, LambdaStore, Timed
from outcrop.services.lambda_.url_answers_surface import JSON, buffered, failed, streamed
from outcrop.services.surface import HttpRequest, HttpResponse

HOST = re.compile(r"(?P<id>[a-z0-9]{32})\.lambda-url\.[a-z0-9-]+\..+")
URL_PATH = re.compile(r"/_outcrop/lambda/url/(?P<id>[a-z0-9]{32})(?P<path>/.*)?")
FORBIDDEN = (
    "Forbidden. For troubleshooting Function URL authorization issues, see: "
    "https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"
)
MAX_BODY = 6 * 1024 * 1024
TEXT = re.compile(r"text/.*|application/(json|javascript|xml|x-www-form-urlencoded|[\w.+-]*\+(json|xml))")


class CodeLocations:
    """What `Code.Location` of GetFunction leads to."""

    def __init__(self, code: CodeStore) -> None:
        self._code = code

    def matches(self, request: HttpRequest) -> bool:
        return request.raw_path.startswith(PATH)

    async def handle(self, request: HttpRequest, context: Callable[[str, str], Context]) -> HttpResponse:
        body = self._code.open_location(request.raw_path)
        if body is None:
            return _message(403, "This link has expired or is wrong: ask GetFunction for a new one.")
        return HttpResponse(200, (("content-type", "application/zip"),), body)


class FunctionUrls:
    """`{id}.lambda-url.{region}.localhost`, and `/_outcrop/lambda/url/{id}/` where such names don't resolve."""

    def __init__(self, store: LambdaStore, invocations: Invocations) -> None:
        self._store = store
        self._invocations = invocations

    def matches(self, request: HttpRequest) -> bool:
        return bool(HOST.fullmatch(request.host) or URL_PATH.fullmatch(request.raw_path))

    async def handle(self, request: HttpRequest, context: Callable[[str, str], Context]) -> HttpResponse:
        by_host, by_path = HOST.fullmatch(request.host), URL_PATH.fullmatch(request.raw_path)
        match = by_host or by_path
        assert match is not None
        found = self._store.url_by_id(match["id"])
        function = self._store.function_by_id(found[0]) if found else None
        if found is None or function is None:
            return _message(404, "Not Found", key="Message")
        url = found[1]
        cors = _cors(url.settings.get("Cors") or {}, request)
        if request.method == "OPTIONS" and cors and request.header("access-control-request-method"):
            return HttpResponse(200, cors)
        signed = url.settings.get("AuthType") == "AWS_IAM"
        if not signed and not self._open(function, url):
            return _message(403, FORBIDDEN, key="Message")
        body = bytearray()
        async for piece in request.body:
            body += piece
            if len(body) > MAX_BODY:
                return _message(413, "Request Entity Too Large")
        caller = None
        if signed:
            try:
                caller = request.identify(bytes(body))
            except PermissionError as error:
                return _message(403, str(error), key="Message")
            if caller is None:
                return _message(403, FORBIDDEN, key="Message")
        path = (request.raw_path if by_host else match["path"]) or "/"
        ctx = context(function.name.account, function.name.region)
        event = _event(
            request, url.id, path, bytes(body), None if caller is None else _iam(caller, function.name.account)
        )
        call = {"FunctionName": function.name.arn, "Payload": json.dumps(event).encode()}
        if url.qualifier:
            call["Qualifier"] = url.qualifier
        try:
            if url.settings.get("InvokeMode") == "RESPONSE_STREAM":
                response = await streamed(await self._invocations.invoke_with_response_stream(ctx, call))
            else:
                answer = await self._invocations.invoke(ctx, call)
                response = failed() if "FunctionError" in answer else buffered(answer["Payload"])
        except ServiceError as error:
            return _message(429 if error.status == 429 else 502, error.message or error.code, key="Message")
        return HttpResponse(response.status, (*response.headers, *cors), response.body)

    def _open(self, function: Function, url: Timed) -> bool:
        """Whether the function's policy lets everyone call the URL."""
        return any(
            statement["Principal"] in ("*", {"AWS": "*"})
            and statement["Action"] in ("lambda:InvokeFunctionUrl", "lambda:*", "*")
            and statement.get("Condition", {}).get("StringEquals", {}).get("lambda:FunctionUrlAuthType", "NONE")
            == "NONE"
            for statement in self._store.statements(function.id, url.qualifier)
        )


def _iam(caller: Principal, account: str) -> dict[str, Any]:
    """Who signed the request, as events tell it."""
    parts = caller.arn.split(":")
    return {
        "accessKey": caller.access_key_id,
        "accountId": parts[4] if len(parts) > 4 else account,
        "callerId": caller.user_id,
        "cognitoIdentity": None,
        "principalOrgId": None,
        "userArn": caller.arn,
        "userId": caller.user_id,
    }


def _event(
    request: HttpRequest, url_id: str, path: str, body: bytes, iam: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The event of payload format 2.0; `iam` is who signed the request."""
    headers: dict[str, str] = {}
    for name, value in request.headers:
        if name != "cookie":
            headers[name] = f"{headers[name]},{value}" if name in headers else value
    cookies = [
        cookie.strip() for name, value in request.headers if name == "cookie" for cookie in value.split(";") if cookie
    ]
    query: dict[str, str] = {}
    for name, value in parse_qsl(request.raw_query, keep_blank_values=True):
        query[name] = f"{query[name]},{value}" if name in query else value
    now = time.time()
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": unquote(path),
        "rawQueryString": request.raw_query,
        "headers": headers,
        "requestContext": {
            "accountId": "anonymous",
            "apiId": url_id,
            "domainName": request.host,
            "domainPrefix": url_id,
            "http": {
                "method": request.method,
                "path": unquote(path),
                "protocol": "HTTP/1.1",
                "sourceIp": request.source_ip,
                "userAgent": request.header("user-agent") or "",
            },
            "requestId": str(uuid.uuid4()),
            "routeKey": "$default",
            "stage": "$default",
            "time": datetime.fromtimestamp(now, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "timeEpoch": int(now * 1000),
        },
        "isBase64Encoded": False,
    }
    if iam:
        event["requestContext"] |= {"accountId": iam["accountId"], "authorizer": {"iam": dict(iam)}}
    if cookies:
        event["cookies"] = cookies
    if query:
        event["queryStringParameters"] = query
    if body:
        text = None
        if TEXT.match((request.header("content-type") or "").lower()):
            try:
                text = body.decode()
            except UnicodeDecodeError:
                text = None
        event["isBase64Encoded"] = text is None
        event["body"] = base64.b64encode(body).decode() if text is None else text
    return event


def _message(status: int, text: str, *, key: str = "message") -> HttpResponse:
    return HttpResponse(status, JSON, json.dumps({key: text}).encode())


def _cors(cors: Mapping[str, Any], request: HttpRequest) -> tuple[tuple[str, str], ...]:
    """The headers for the request's origin; none if it has no origin, or one that isn't allowed."""
    origin = request.header("origin")
    allowed = cors.get("AllowOrigins") or ()
    if origin is None or not ("*" in allowed or origin in allowed):
        return ()
    headers = [("access-control-allow-origin", "*" if "*" in allowed else origin), ("vary", "origin")]
    if cors.get("AllowCredentials"):
        headers.append(("access-control-allow-credentials", "true"))
    if cors.get("ExposeHeaders"):
        headers.append(("access-control-expose-headers", ",".join(cors["ExposeHeaders"])))
    if request.method == "OPTIONS":
        for name in ("AllowMethods", "AllowHeaders"):
            if cors.get(name):
                headers.append((f"access-control-{name[:5].lower()}-{name[5:].lower()}", ",".join(cors[name])))
        if cors.get("MaxAge"):
            headers.append(("access-control-max-age", str(cors["MaxAge"])))
    return tuple(headers)
