"""Calls Lambda functions on behalf of API Gateway."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

from outcrop.services.apigateway.http_apis.exchange import Exchange, Failure
from outcrop.services.contract import Deps, Principal, ServiceError

log = logging.getLogger(__name__)

SERVICE = "apigateway.amazonaws.com"


class FunctionFailed(Failure):
    """The function ran and failed; `payload` says how."""

    def __init__(self, payload: bytes, *, hint: str) -> None:
        super().__init__(500, "Internal Server Error", hint=hint)
        self.payload = payload


class Functions:
    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._running: set[asyncio.Task[bytes]] = set()

    async def invoke(
        self, exchange: Exchange, arn: str, event: Any, *, source_arn: str, role: str | None, seconds: float
    ) -> bytes:
        """The function's answer. Raises Failure as API Gateway would answer. A function that takes too long goes on
        by itself, as on AWS."""
        task = asyncio.get_running_loop().create_task(self._call(exchange, arn, event, source_arn, role))
        self._running.add(task)
        task.add_done_callback(self._forget)
        done, _ = await asyncio.wait({task}, timeout=seconds)
        if not done:
            exchange.integration_error = f"Endpoint request timed out after {seconds * 1000:.0f} ms"
            raise Failure(503, "Service Unavailable", hint=f"{arn} didn't answer within {seconds:g} s")
        return task.result()

    async def aclose(self) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _forget(self, task: asyncio.Task[bytes]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) and not isinstance(error, Failure):
            log.error("calling a function for an HTTP API failed", exc_info=error)

    async def _call(self, exchange: Exchange, arn: str, event: Any, source_arn: str, role: str | None) -> bytes:
        stage = exchange.stage
        caller = _assumed(role) if role else Principal(SERVICE, source_arn, kind="service")
        context = self._deps.context(stage.account, stage.region, caller)
        request = {"FunctionName": arn, "Payload": json.dumps(event, separators=(",", ":")).encode()}
        try:
            answer = await context.call("lambda", "invoke", request)
        except ServiceError as error:
            exchange.integration_status = error.status
            exchange.integration_error = error.message
            raise _refused(exchange, arn, error) from None
        exchange.integration_status = answer.get("StatusCode", 200)
        payload = await _read(answer.get("Payload", b""))
        if "FunctionError" in answer:
            exchange.integration_error = f"The Lambda function returned an error: {_summary(payload)}"
            raise FunctionFailed(payload, hint=f"{arn} failed: {_summary(payload)}")
        return payload


def _assumed(role: str) -> Principal:
    account, name = role.split(":")[4], role.rpartition("/")[2]
    return Principal(
        f"arn:aws:sts::{account}:assumed-role/{name}/apigateway", f"{name}:apigateway", kind="assumed-role"
    )


def _refused(exchange: Exchange, arn: str, error: ServiceError) -> Failure:
    stage = exchange.stage
    match error.code:
        case "AccessDeniedException":
            source = f"arn:aws:execute-api:{stage.region}:{stage.account}:{stage.api_id}/*"
            return Failure(
                500,
                "Internal Server Error",
                hint=f"API Gateway may not invoke {arn}. Allow it: aws lambda add-permission --function-name {arn} "
                "--statement-id apigateway --action lambda:InvokeFunction --principal apigateway.amazonaws.com "
                f"--source-arn '{source}'",
            )
        case "RequestTooLargeException" | "RequestEntityTooLargeException":
            return Failure(413, "Request Entity Too Large", hint=error.message)
        case "TooManyRequestsException":
            return Failure(503, "Service Unavailable", hint=error.message)
    return Failure(500, "Internal Server Error", hint=f"{error.code}: {error.message}")


async def _read(payload: bytes | AsyncIterator[bytes]) -> bytes:
    if isinstance(payload, bytes):
        return payload
    return b"".join([piece async for piece in payload])


def _summary(payload: bytes) -> str:
    try:
        error = json.loads(payload)
        return f"{error.get('errorType', 'Error')}: {error.get('errorMessage', '')}"[:300]
    except (ValueError, AttributeError, RecursionError):
        return payload[:300].decode("utf-8", "replace")
