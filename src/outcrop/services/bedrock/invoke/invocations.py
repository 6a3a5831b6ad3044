"""InvokeModel and InvokeModelWithResponseStream."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from typing import TYPE_CHECKING, Any

from outcrop.engines.inference.engine import Finish
from outcrop.services.bedrock.converse.generations import read_generation
from outcrop.services.bedrock.families import family_of
from outcrop.services.bedrock.invoke.bodies import decode
from outcrop.services.bedrock.runtime.streams import Stream
from outcrop.services.contract import ValidationException

if TYPE_CHECKING:
    from outcrop.engines.inference.engine import Generation
    from outcrop.services.bedrock.converse.media import Media
    from outcrop.services.bedrock.families import Chunks
    from outcrop.services.bedrock.invoke.embeddings import Embeddings
    from outcrop.services.bedrock.invoke.pictures import Pictures
    from outcrop.services.bedrock.invoke.reranking import Reranking
    from outcrop.services.bedrock.runtime.calls import Call, Calls
    from outcrop.services.bedrock.runtime.runs import Run, Runs
    from outcrop.services.bedrock.runtime.upstream import Upstream
    from outcrop.services.contract import Context, Request, Result

_JSON = "application/json"
_TAKEN = ("", "*/*", "application/*", _JSON)


class Invocations:
    def __init__(
        self,
        calls: Calls,
        upstream: Upstream,
        runs: Runs,
        embeddings: Embeddings,
        reranking: Reranking,
        pictures: Pictures,
        media: Media,
    ) -> None:
        self._calls = calls
        self._upstream = upstream
        self._runs = runs
        self._embeddings = embeddings
        self._reranking = reranking
        self._pictures = pictures
        self._media = media

    async def invoke_model(self, ctx: Context, request: Request) -> Result:
        _check(request)
        async with self._calls.open(ctx, "InvokeModel", request) as call:
            if (choice := self._upstream.serves(call.target)) is not None:
                return await self._upstream.invoke_model(call, choice)
            call.output = answer = await self._answer(call, _read(call))
            return {"body": json.dumps(answer).encode(), "contentType": _JSON, **_echoed(request)}

    async def invoke_model_with_response_stream(self, ctx: Context, request: Request) -> Result:
        _check(request)
        async with self._calls.open(ctx, "InvokeModelWithResponseStream", request) as call:
            if (choice := self._upstream.serves(call.target)) is not None:
                return await self._upstream.invoke_model_with_response_stream(call, choice)
            body = _read(call)
            if not call.model.streaming:
                raise ValidationException("The model is unsupported for streaming.")
            run = await self._runs.start(call, await self._generation(call, body))
            chunks = family_of(call.model, body).chunks(call.model, run.origin)
            return {"body": Stream(run, _events(run, chunks)), "contentType": _JSON, **_echoed(request)}

    async def _answer(self, call: Call, body: dict[str, Any]) -> dict[str, Any]:
        if call.model.embeds:
            return await self._embeddings.invoke(call, body)
        if call.model.reranks:
            return await self._reranking.invoke(call, body)
        if call.model.draws:
            return await self._pictures.invoke(call, body)
        completion = await self._runs.complete(call, await self._generation(call, body))
        finish = completion.finish
        _count(call.ctx, finish.input_tokens, finish.output_tokens, completion.latency_ms)
        return family_of(call.model, body).write(completion, call.model, body)

    async def _generation(self, call: Call, body: dict[str, Any]) -> Generation:
        model = call.model
        return await read_generation(call.ctx, model, family_of(model, body).read(body, model), self._media)


def _check(request: Request) -> None:
    if request.get("guardrailIdentifier"):
        raise ValidationException(
            "The guardrail identifier or version provided in the request does not exist: there are no guardrails "
            "here yet. Leave the guardrail's headers out."
        )


def _read(call: Call) -> dict[str, Any]:
    model, request = call.model, call.request
    for name, header in (("contentType", "Content-Type"), ("accept", "Accept")):
        kinds = {kind.partition(";")[0].strip().lower() for kind in request.get(name, "").split(",")}
        if not kinds & set(_TAKEN):
            raise ValidationException(f"The provided {header} is invalid: {request[name]}. Use {_JSON}.")
    if model.id.startswith("twelvelabs.pegasus"):
        raise ValidationException(
            f"{model.id} reads videos, and nothing on this machine does. Map it to AWS itself, or ask it about text "
            "through Converse."
        )
    if not (model.writes_text or model.embeds or model.reranks or model.draws):
        made = " and ".join(kind.lower() for kind in model.output)
        raise ValidationException(
            f"{model.id} makes {made}, and nothing on this machine does: Outcrop has engines for text, embeddings, "
            "reranking and images. Use AWS itself for this call."
        )
    return decode(request.get("body"))


def _echoed(request: Request) -> Mapping[str, Any]:
    return {name: request[name] for name in ("performanceConfigLatency", "serviceTier") if name in request}


def _count(ctx: Context, input_tokens: int, output_tokens: int, latency_ms: int) -> None:
    ctx.headers["X-Amzn-Bedrock-Input-Token-Count"] = str(input_tokens)
    ctx.headers["X-Amzn-Bedrock-Output-Token-Count"] = str(output_tokens)
    ctx.headers["X-Amzn-Bedrock-Invocation-Latency"] = str(latency_ms)


async def _events(run: Run, chunks: Chunks) -> AsyncGenerator[dict[str, Any], None]:
    for body in chunks.start(run.input_tokens):
        yield _chunk(body)
    async for event in run.events():
        if not isinstance(event, Finish):
            for body in chunks.event(event):
                yield _chunk(body)
            continue
        last = list(chunks.finish(event))
        last[-1]["amazon-bedrock-invocationMetrics"] = {
            "inputTokenCount": event.input_tokens,
            "outputTokenCount": event.output_tokens,
            "invocationLatency": run.latency_ms,
            "firstByteLatency": run.origin.first_ms,
        }
        for body in last:
            yield _chunk(body)


def _chunk(body: Mapping[str, Any]) -> dict[str, Any]:
    return {"chunk": {"bytes": json.dumps(body).encode()}}
