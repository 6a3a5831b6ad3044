"""Invoke."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import time
from collections.abc import AsyncIterator
from typing import Any

from outcrop.engines.functions import AnswerStream
from outcrop.services.contract import Context, Request, Result
from outcrop.services.lambda_ import lookup
from outcrop.services.lambda_.errors import (
    InvalidRequestContentException,
    RecursiveInvocationException,
    RequestTooLargeException,
)
from outcrop.services.lambda_.events import Events
from outcrop.services.lambda_.names import FunctionName
from outcrop.services.lambda_.policy import check_access
from outcrop.services.lambda_.recursion import MOST, advance
from outcrop.services.lambda_.runner import Ran, Runner
from outcrop.services.lambda_.store import Event, Function, LambdaStore, Version

MAX_SYNCHRONOUS = 6 * 1024 * 1024
MAX_ASYNCHRONOUS = 1024 * 1024
MAX_CONTEXT = 3583
THREAD_BYTES = 256 * 1024
"""Payloads from this size on are checked in a thread."""


class Invocations:
    def __init__(self, store: LambdaStore, runner: Runner, events: Events) -> None:
        self._store = store
        self._runner = runner
        self._events = events
        self._streaming: set[asyncio.Task[Ran]] = set()

    async def invoke(self, ctx: Context, request: Request) -> Result:
        """Callers that are services must be named in the function's policy: see `policy.check_access`."""
        name, function, version = self._find(ctx, request)
        kind = request.get("InvocationType") or "RequestResponse"
        if kind == "DryRun":
            return {"StatusCode": 204, "ExecutedVersion": version.version}
        payload = await _payload(request, MAX_ASYNCHRONOUS if kind == "Event" else MAX_SYNCHRONOUS, "InvokeFunction")
        client_context = _client_context(request)
        trace = self._trace(ctx, function, asynchronous=kind == "Event")
        if kind == "Event":
            now = time.time()
            if trace is not None:
                self._events.add(Event(ctx.request_id, name, payload, client_context, now, 0, now, trace))
            return {"StatusCode": 202, "Payload": b""}
        assert trace is not None
        ran = await self._runner.run(
            function, version, name, payload, ctx.request_id, client_context=client_context, trace_id=trace
        )
        ctx.headers["Content-Type"] = "application/json"
        answer: dict[str, Any] = {
            "StatusCode": 200,
            "ExecutedVersion": version.version,
            "Payload": ran.outcome.payload,
        }
        if ran.failed:
            answer["FunctionError"] = "Unhandled"
        if request.get("LogType") == "Tail":
            answer["LogResult"] = base64.b64encode(ran.log_tail).decode()
        return answer

    async def invoke_async(self, ctx: Context, request: Request) -> Result:
        """What Invoke was before it had invocation types."""
        event = {"FunctionName": request["FunctionName"], "InvocationType": "Event", "Payload": request["InvokeArgs"]}
        await self.invoke(ctx, event)
        return {"Status": 202}

    async def invoke_with_response_stream(self, ctx: Context, request: Request) -> Result:
        name, function, version = self._find(ctx, request)
        if request.get("InvocationType") == "DryRun":
            return {"StatusCode": 204, "ExecutedVersion": version.version}
        payload = await _payload(request, MAX_SYNCHRONOUS, "InvokeWithResponseStream")
        context, stream = _client_context(request), AnswerStream()
        trace = self._trace(ctx, function, asynchronous=False) or ""
        running = asyncio.create_task(
            self._runner.run(
                function,
                version,
                name,
                payload,
                ctx.request_id,
                client_context=context,
                trace_id=trace,
                stream=stream,
            )
        )
        self._streaming.add(running)
        running.add_done_callback(self._streaming.discard)
        await asyncio.wait([running, stream.begun], return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()  # raises what kept the function from running
        return {
            "StatusCode": 200,
            "ExecutedVersion": version.version,
            "ResponseStreamContentType": stream.content_type,
            "EventStream": _stream(running, stream, tail=request.get("LogType") == "Tail"),
        }

    def _find(self, ctx: Context, request: Request) -> tuple[FunctionName, Function, Version]:
        name = lookup.name(ctx, request)
        function = lookup.function(self._store, name)
        version = lookup.routed(self._store, function, name)
        check_access(self._store, ctx, function, name)
        return name, function, version

    def _trace(self, ctx: Context, function: Function, *, asynchronous: bool) -> str | None:
        """The trace header that the function gets; None for an event that closes a loop once too often. Raises
        RecursiveInvocationException."""
        trace, visits = advance(ctx.trace_id, function.name)
        if visits <= MOST or function.recursion == "Allow":
            return trace
        self._events.drop_loop(function.name)
        if asynchronous:
            return None
        raise RecursiveInvocationException(
            f"Lambda detected that {function.name.arn} was invoked in a recursive loop and ended it after {MOST} "
            "invocations. If that is what you want: PutFunctionRecursionConfig with RecursiveLoop Allow."
        )


async def _stream(running: asyncio.Task[Ran], stream: AnswerStream, *, tail: bool) -> AsyncIterator[dict[str, Any]]:
    """A caller that goes away lets the function run on, as on AWS."""
    try:
        if not running.done() or stream.begun.done():
            async for piece in stream:
                yield {"PayloadChunk": {"Payload": piece}}
        ran = await asyncio.shield(running)
    finally:
        stream.abandon()
    complete: dict[str, Any] = {}
    if ran.failed:
        complete["ErrorCode"] = "Unhandled"
        complete["ErrorDetails"] = ran.outcome.payload.decode("utf-8", "replace")
    else:
        for start in range(0, len(ran.outcome.payload), THREAD_BYTES):
            yield {"PayloadChunk": {"Payload": ran.outcome.payload[start : start + THREAD_BYTES]}}
    if tail:
        complete["LogResult"] = base64.b64encode(ran.log_tail).decode()
    yield {"InvokeComplete": complete}


async def _payload(request: Request, limit: int, operation: str) -> bytes:
    body = request.get("Payload") or b"{}"
    if not isinstance(body, bytes | bytearray | memoryview):
        pieces = bytearray()
        async for piece in body:
            pieces += piece
            if len(pieces) > limit:
                break
        body = pieces or b"{}"
    body = bytes(body)
    if len(body) > limit:
        raise RequestTooLargeException(f"Request must be smaller than {limit} bytes for the {operation} operation")
    try:
        if len(body) > THREAD_BYTES:
            await asyncio.to_thread(json.loads, body)
        else:
            json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidRequestContentException(f"Could not parse request body into json: {error}") from None
    return body


def _client_context(request: Request) -> str | None:
    """The client context as JSON."""
    given = request.get("ClientContext")
    if not given:
        return None
    try:
        decoded = base64.b64decode(given, validate=True)
        if len(given) > MAX_CONTEXT or not isinstance(json.loads(decoded), dict):
            raise ValueError
        return decoded.decode()
    except (binascii.Error, ValueError, RecursionError):
        raise InvalidRequestContentException(
            "Client context must be a valid Base64-encoded JSON object of at most 3583 bytes."
        ) from None
