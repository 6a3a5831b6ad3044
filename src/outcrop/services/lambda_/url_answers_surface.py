"""What a function's answer means as an HTTP response of its URL."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from outcrop.services.contract import Result
from outcrop.services.surface import HttpResponse

JSON = (("content-type", "application/json"),)
INTEGRATION = "application/vnd.awslambda.http-integration-response"
PRELUDE_END = b"\0" * 8
MAX_PRELUDE = 256 * 1024


def buffered(payload: bytes) -> HttpResponse:
    """What a function's answer means: a response object, or else a body."""
    try:
        answer = json.loads(payload or b"null")
    except ValueError:
        return HttpResponse(200, JSON, payload)
    if not isinstance(answer, dict) or "statusCode" not in answer:
        return HttpResponse(200, JSON, answer.encode() if isinstance(answer, str) else payload)
    body = answer.get("body")
    try:
        status = int(answer["statusCode"])
        given: Mapping[str, Any] = answer.get("headers") or {}
        headers = [(str(name).lower(), _header(value)) for name, value in given.items()]
        headers += [("set-cookie", _header(cookie)) for cookie in answer.get("cookies") or ()]
        if not isinstance(body, str):
            data = b"" if body is None else json.dumps(body).encode()
        else:
            data = base64.b64decode(body) if answer.get("isBase64Encoded") else body.encode()
    except (TypeError, ValueError, AttributeError):
        return failed()
    if not 100 <= status <= 599:
        return failed()
    if all(name != "content-type" for name, _ in headers):
        headers.append(JSON[0])
    return HttpResponse(status, tuple(headers), data)


def _header(value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if "\r" in text or "\n" in text:
        raise ValueError("a header with a line break")
    return text


def failed() -> HttpResponse:
    return HttpResponse(502, JSON, b"Internal Server Error")


async def streamed(answer: Result) -> HttpResponse:
    """The response of a function that streams: status and headers come in front of the body if it says so."""
    events: AsyncIterator[Mapping[str, Any]] = answer["EventStream"]
    content_type = answer["ResponseStreamContentType"]
    read = bytearray()
    prelude = content_type == INTEGRATION
    async for event in events:
        if "InvokeComplete" in event:
            return _whole(event["InvokeComplete"], bytes(read), content_type)
        read += event["PayloadChunk"]["Payload"]
        if not prelude:
            headers = (("content-type", content_type),)
            return HttpResponse(200, headers, _rest(bytes(read), events))
        if PRELUDE_END in read:
            head, _, rest = bytes(read).partition(PRELUDE_END)
            shown = buffered(json.dumps({"statusCode": 200, **_object(head), "body": ""}).encode())
            return HttpResponse(shown.status, shown.headers, _rest(rest, events))
        if len(read) > MAX_PRELUDE:
            break
    return failed()


def _whole(complete: Mapping[str, Any], body: bytes, content_type: str) -> HttpResponse:
    """All came at once."""
    if complete.get("ErrorCode") or content_type == INTEGRATION:
        return failed()
    return HttpResponse(200, (("content-type", content_type),), body)


async def _rest(first: bytes, events: AsyncIterator[Mapping[str, Any]]) -> AsyncIterator[bytes]:
    if first:
        yield first
    async for event in events:
        if "PayloadChunk" in event:
            yield event["PayloadChunk"]["Payload"]


def _object(text: bytes) -> dict[str, Any]:
    try:
        value = json.loads(text or b"{}")
    except ValueError:
        return {"statusCode": 0}
    return value if isinstance(value, dict) else {"statusCode": 0}
