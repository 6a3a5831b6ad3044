"""Calls Lambda functions in the name of API Gateway."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass

from outcrop.services.contract import Deps, Principal, ServiceError

log = logging.getLogger(__name__)

SERVICE = "apigateway.amazonaws.com"


@dataclass(frozen=True, slots=True)
class Invocation:
    status: int
    payload: bytes
    failed: bool
    """Whether the function raised an error, which the payload describes."""

    @property
    def summary(self) -> str:
        """The error in one line."""
        try:
            error = json.loads(self.payload)
            return f"{error.get('errorType', 'Error')}: {error.get('errorMessage', '')}"[:300]
        except (ValueError, AttributeError, RecursionError):
            return self.payload[:300].decode("utf-8", "replace")


class Invoker:
    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._running: set[asyncio.Task[Invocation]] = set()

    async def invoke(
        self,
        owner: tuple[str, str],
        arn: str,
        payload: bytes,
        *,
        source_arn: str,
        role: str | None,
        seconds: float,
        kind: str = "RequestResponse",
    ) -> Invocation:
        """The function's answer, asked for in `owner`'s account and region. Raises ServiceError as Lambda does, and
        TimeoutError; a function that takes too long goes on by itself, as on AWS."""
        call = self._call(owner, arn, payload, source_arn, role, kind)
        task = asyncio.get_running_loop().create_task(call)
        self._running.add(task)
        task.add_done_callback(self._forget)
        done, _ = await asyncio.wait({task}, timeout=seconds)
        if not done:
            raise TimeoutError
        return task.result()

    async def aclose(self) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _forget(self, task: asyncio.Task[Invocation]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) and not isinstance(error, ServiceError):
            log.error("calling a function for API Gateway failed", exc_info=error)

    async def _call(
        self, owner: tuple[str, str], arn: str, payload: bytes, source_arn: str, role: str | None, kind: str
    ) -> Invocation:
        account, region = owner
        caller = assumed(role) if role else Principal(SERVICE, source_arn, kind="service")
        context = self._deps.context(account, region, caller)
        request = {"FunctionName": arn, "Payload": payload, "InvocationType": kind}
        answer = await context.call("lambda", "invoke", request)
        return Invocation(
            answer.get("StatusCode", 200), await _read(answer.get("Payload", b"")), "FunctionError" in answer
        )


def assumed(role: str) -> Principal:
    """API Gateway in a role that an integration names."""
    account, name = role.split(":")[4], role.rpartition("/")[2]
    return Principal(
        f"arn:aws:sts::{account}:assumed-role/{name}/apigateway", f"{name}:apigateway", kind="assumed-role"
    )


def permission_hint(arn: str, region: str, account: str, api_id: str) -> str:
    source = f"arn:aws:execute-api:{region}:{account}:{api_id}/*"
    return (
        f"API Gateway may not invoke {arn}. Allow it: aws lambda add-permission --function-name {arn} "
        "--statement-id apigateway --action lambda:InvokeFunction --principal apigateway.amazonaws.com "
        f"--source-arn '{source}'"
    )


async def _read(payload: bytes | AsyncIterator[bytes]) -> bytes:
    if isinstance(payload, bytes):
        return payload
    return b"".join([piece async for piece in payload])
