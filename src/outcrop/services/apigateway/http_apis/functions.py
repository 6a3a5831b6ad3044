"""Calls Lambda functions on behalf of HTTP APIs."""

from __future__ import annotations

import json
from typing import Any

from outcrop.services.apigateway.http_apis.exchange import Exchange, Failure
from outcrop.services.apigateway.invoker import Invoker, permission_hint
from outcrop.services.contract import ServiceError


class FunctionFailed(Failure):
    """The function ran and failed; `payload` says how."""

    def __init__(self, payload: bytes, *, hint: str) -> None:
        super().__init__(500, "Internal Server Error", hint=hint)
        self.payload = payload


class Functions:
    def __init__(self, invoker: Invoker) -> None:
        self._invoker = invoker

    async def invoke(
        self, exchange: Exchange, arn: str, event: Any, *, source_arn: str, role: str | None, seconds: float
    ) -> bytes:
        """The function's answer. Raises Failure as API Gateway would answer."""
        stage = exchange.stage
        try:
            invocation = await self._invoker.invoke(
                (stage.account, stage.region),
                arn,
                json.dumps(event, separators=(",", ":")).encode(),
                source_arn=source_arn,
                role=role,
                seconds=seconds,
            )
        except TimeoutError:
            exchange.integration_error = f"Endpoint request timed out after {seconds * 1000:.0f} ms"
            raise Failure(503, "Service Unavailable", hint=f"{arn} didn't answer within {seconds:g} s") from None
        except ServiceError as error:
            exchange.integration_status = error.status
            exchange.integration_error = error.message
            raise _refused(exchange, arn, error) from None
        exchange.integration_status = invocation.status
        if invocation.failed:
            exchange.integration_error = f"The Lambda function returned an error: {invocation.summary}"
            raise FunctionFailed(invocation.payload, hint=f"{arn} failed: {invocation.summary}")
        return invocation.payload


def _refused(exchange: Exchange, arn: str, error: ServiceError) -> Failure:
    stage = exchange.stage
    match error.code:
        case "AccessDeniedException":
            hint = permission_hint(arn, stage.region, stage.account, stage.api_id)
            return Failure(500, "Internal Server Error", hint=hint)
        case "RequestTooLargeException" | "RequestEntityTooLargeException":
            return Failure(413, "Request Entity Too Large", hint=error.message)
        case "TooManyRequestsException":
            return Failure(503, "Service Unavailable", hint=error.message)
    return Failure(500, "Internal Server Error", hint=f"{error.code}: {error.message}")
