"""StartAsyncInvoke, GetAsyncInvoke and ListAsyncInvokes."""

from __future__ import annotations

import re
import secrets
import string
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from outcrop.engines.inference.engine import EngineError
from outcrop.services.bedrock.async_invokes import segments
from outcrop.services.bedrock.errors import from_engine
from outcrop.services.bedrock.paging import page
from outcrop.services.bedrock.runtime.calls import Usage
from outcrop.services.bedrock.store import AsyncInvoke
from outcrop.services.bedrock.tags import read_tags
from outcrop.services.contract import (
    ConflictException,
    Principal,
    ResourceNotFoundException,
    ServiceError,
    ValidationException,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from outcrop.engines.inference.models import Models
    from outcrop.jobs import Job, Jobs
    from outcrop.services.bedrock.catalogue.targets import Target
    from outcrop.services.bedrock.runtime.calls import Calls
    from outcrop.services.bedrock.store import BedrockStore
    from outcrop.services.contract import Context, Request, Result

KIND = "bedrock-async-invoke"

_CHARACTERS = string.ascii_lowercase + string.digits
_ARN = re.compile(r"arn:aws[\w-]*:bedrock:[a-z0-9-]+:\d{12}:async-invoke/([a-z0-9]{12})")


class AsyncInvokes:
    def __init__(
        self,
        calls: Calls,
        store: BedrockStore,
        models: Models,
        jobs: Jobs,
        context: Callable[[str, str, Principal], Context],
    ) -> None:
        self._calls = calls
        self._store = store
        self._models = models
        self._jobs = jobs
        self._context = context
        jobs.register(KIND, self._run)

    async def start_async_invoke(self, ctx: Context, request: Request) -> Result:
        output = request["outputDataConfig"].get("s3OutputDataConfig", {}).get("s3Uri", "").rstrip("/")
        if not output:
            raise ValidationException("The outputDataConfig needs an s3OutputDataConfig.")
        token = request.get("clientRequestToken")
        if token and (made := self._store.async_invoke_by_token(ctx.account, ctx.region, token)):
            if (made.input, made.output) != (request["modelInput"], output):
                raise ConflictException("The client request token was used with other parameters before.")
            return {"invocationArn": made.arn}
        async with self._calls.open(ctx, "StartAsyncInvoke", request) as call:
            _check(call.target)
            segments.read(request["modelInput"])
            tags = read_tags(request.get("tags"))
            await call.admit()
            call.usage = Usage()
            invoke = AsyncInvoke(
                id="".join(secrets.choice(_CHARACTERS) for _ in range(12)),
                account=ctx.account,
                region=ctx.region,
                model=call.model.arn(ctx.region),
                input=request["modelInput"],
                output=output,
                token=token,
                status="InProgress",
                failure=None,
                submitted_at=time.time(),
                modified_at=time.time(),
                ended_at=None,
            )
            self._store.add_async_invoke(invoke, tags)
            who = {"arn": ctx.principal.arn, "user_id": ctx.principal.user_id, "kind": ctx.principal.kind}
            asked = {"account": ctx.account, "region": ctx.region, "principal": who, "key": call.target.key}
            self._jobs.submit(KIND, {"id": invoke.id, **asked}, job_id=f"{KIND}-{invoke.id}")
            return {"invocationArn": invoke.arn}

    async def get_async_invoke(self, ctx: Context, request: Request) -> Result:
        arn = request["invocationArn"]
        found = self._find(ctx, arn)
        if found is None:
            raise ResourceNotFoundException(f"Async invoke not found: {arn}")
        return _describe(found)

    async def list_async_invokes(self, ctx: Context, request: Request) -> Result:
        found = [invoke for invoke in self._store.async_invokes(ctx.account, ctx.region) if _wanted(invoke, request)]
        if request.get("sortOrder", "Descending") == "Descending":
            found.reverse()
        found, following = page(found, request)
        return {"asyncInvokeSummaries": [_describe(invoke) for invoke in found], **following}

    def exists(self, ctx: Context, arn: str) -> bool:
        """Whether tags may be put on it."""
        return self._find(ctx, arn) is not None

    def _find(self, ctx: Context, arn: str) -> AsyncInvoke | None:
        match = _ARN.fullmatch(arn)
        found = self._store.async_invoke(ctx.account, ctx.region, match[1]) if match else None
        return found if found and found.arn == arn else None

    async def _run(self, job: Job) -> None:
        asked = job.payload
        invoke = self._store.async_invoke(asked["account"], asked["region"], asked["id"])
        if invoke is None or invoke.status != "InProgress":
            return
        ctx = self._context(asked["account"], asked["region"], Principal(**asked["principal"]))
        try:
            folder = f"{invoke.output}/{invoke.id}"
            await segments.run(ctx, self._models, asked["key"], segments.read(invoke.input), folder)
        except (EngineError, ServiceError) as error:
            failure = from_engine(error, invoke.model) if isinstance(error, EngineError) else error
            self._store.end_async_invoke(invoke.id, "Failed", failure.message[:2048], time.time())
        else:
            self._store.end_async_invoke(invoke.id, "Completed", None, time.time())


def _check(target: Target) -> None:
    if target.model.id == segments.MODEL:
        return
    made = {"VIDEO": "makes videos", "SPEECH": "speaks", "EMBEDDING": "embeds more than texts"}
    does = next((words for kind, words in made.items() if kind in target.model.output), None)
    if does is None or target.model.id.startswith(("amazon.titan", "cohere.")):
        raise ValidationException("The model that you provided doesn't support asynchronous invocation.")
    raise ValidationException(
        f"{target.model.id} {does}, and nothing on this machine does. Asynchronous invocations are served for texts "
        f"that {segments.MODEL} embeds; use AWS itself for this call."
    )


def _wanted(invoke: AsyncInvoke, request: Request) -> bool:
    submitted = datetime.fromtimestamp(invoke.submitted_at, UTC)
    return (
        ("statusEquals" not in request or invoke.status == request["statusEquals"])
        and ("submitTimeAfter" not in request or submitted > request["submitTimeAfter"])
        and ("submitTimeBefore" not in request or submitted < request["submitTimeBefore"])
    )


def _describe(invoke: AsyncInvoke) -> dict[str, Any]:
    described: dict[str, Any] = {
        "invocationArn": invoke.arn,
        "modelArn": invoke.model,
        "status": invoke.status,
        "submitTime": datetime.fromtimestamp(invoke.submitted_at, UTC),
        "lastModifiedTime": datetime.fromtimestamp(invoke.modified_at, UTC),
        "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": f"{invoke.output}/{invoke.id}"}},
    }
    if invoke.token:
        described["clientRequestToken"] = invoke.token
    if invoke.failure:
        described["failureMessage"] = invoke.failure
    if invoke.ended_at is not None:
        described["endTime"] = datetime.fromtimestamp(invoke.ended_at, UTC)
    return described
