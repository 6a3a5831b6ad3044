"""InvokeModel and InvokeModelWithResponseStream."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from typing import TYPE_CHECKING, Any

from outcrop.engines.inference.engine import Finish
from outcrop.services.bedrock.converse.generations import read_generation
from outcrop.services.bedrock.families import family_of
from outcrop.services.bedrock.guardrails.guards import completed
from outcrop.services.bedrock.invoke.bodies import check, decode
from outcrop.services.bedrock.runtime.streams import Stream
from outcrop.services.contract import ValidationException

if TYPE_CHECKING:
    from outcrop.engines.inference.engine import Generation
    from outcrop.services.bedrock.converse.media import Media
    from outcrop.services.bedrock.families import Chunks
    from outcrop.services.bedrock.guardrails.guards import Guard, Guards
    from outcrop.services.bedrock.invoke.embeddings import Embeddings
    from outcrop.services.bedrock.invoke.pictures import Pictures
    from outcrop.services.bedrock.invoke.reranking import Reranking
    from outcrop.services.bedrock.runtime.calls import Call, Calls
    from outcrop.services.bedrock.runtime.runs import Completion, Run, Runs
    from outcrop.services.bedrock.runtime.upstream import Upstream
    from outcrop.services.contract import Context, Request, Result

GUARDRAIL_CONFIG = "amazon-bedrock-guardrailConfig"
_GUARDRAIL_CONFIG = {
    "type": "object",
    "properties": {
        "tagSuffix": {"type": "string", "minLength": 1, "maxLength": 20},
        "streamProcessingMode": {"type": "string", "enum": ["SYNCHRONOUS", "ASYNCHRONOUS"]},
    },
}
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
        guards: Guards,
    ) -> None:
        self._guards = guards
        self._calls = calls
        self._upstream = upstream
        self._runs = runs
        self._embeddings = embeddings
        self._reranking = reranking
        self._pictures = pictures
        self._media = media

    async def invoke_model(self, ctx: Context, request: Request) -> Result:
        async with self._calls.open(ctx, "InvokeModel", request) as call:
            if (choice := self._upstream.serves(call.target)) is not None:
                return await self._upstream.invoke_model(call, choice)
            body = _read(call)
            guard = _guard(self._guards, call, body)
            call.output = answer = await self._answer(call, body, guard)
            return {"body": json.dumps(answer).encode(), "contentType": _JSON, **_echoed(request)}

    async def invoke_model_with_response_stream(self, ctx: Context, request: Request) -> Result:
        async with self._calls.open(ctx, "InvokeModelWithResponseStream", request) as call:
            if (choice := self._upstream.serves(call.target)) is not None:
                return await self._upstream.invoke_model_with_response_stream(call, choice)
            body = _read(call)
            if not call.model.streaming:
                raise ValidationException("The model is unsupported for streaming.")
            guard = _guard(self._guards, call, body)
            run = await self._start(call, body, guard)
            chunks = family_of(call.model, body).chunks(call.model, run.origin)
            return {"body": Stream(run, _events(run, chunks, guard)), "contentType": _JSON, **_echoed(request)}

    async def _answer(self, call: Call, body: dict[str, Any], guard: Guard | None) -> dict[str, Any]:
        if call.model.embeds:
            return await self._embeddings.invoke(call, body)
        if call.model.reranks:
            return await self._reranking.invoke(call, body)
        if call.model.draws:
            return await self._pictures.invoke(call, body)
        completion = await self._complete(call, body, guard)
        finish = completion.finish
        _count(call.ctx, finish.input_tokens, finish.output_tokens, completion.latency_ms)
        return {**family_of(call.model, body).write(completion, call.model, body), **(guard.body() if guard else {})}

    async def _complete(self, call: Call, body: dict[str, Any], guard: Guard | None) -> Completion:
        generation = await self._generation(call, body, guard)
        if guard is None:
            return await self._runs.complete(call, generation)
        if (refusal := guard.refusal(call)) is not None:
            return await completed(refusal)
        return await guard.answer(await self._runs.complete(call, generation))

    async def _start(self, call: Call, body: dict[str, Any], guard: Guard | None) -> Run:
        generation = await self._generation(call, body, guard)
        if guard is None:
            return await self._runs.start(call, generation)
        return guard.refusal(call) or guard.stream(await self._runs.start(call, generation))

    async def _generation(self, call: Call, body: dict[str, Any], guard: Guard | None) -> Generation:
        model = call.model
        request = family_of(model, body).read(body, model)
        return await read_generation(call.ctx, model, await guard.admit(request) if guard else request, self._media)


def _guard(guards: Guards, call: Call, body: dict[str, Any]) -> Guard | None:
    """What the headers ask for; takes its settings out of the body."""
    settings = body.pop(GUARDRAIL_CONFIG, None)
    named = ("guardrailIdentifier", "guardrailVersion", "trace")
    config = {name: call.request[name] for name in named if name in call.request}
    if settings is not None:
        if not config.get("guardrailIdentifier"):
            raise ValidationException(f"{GUARDRAIL_CONFIG} needs a guardrail: name it in the request's headers.")
        check(settings, _GUARDRAIL_CONFIG)
        config.update(settings)
    if not call.model.writes_text:
        return None
    return guards.of(call.ctx, config)


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


async def _events(run: Run, chunks: Chunks, guard: Guard | None) -> AsyncGenerator[dict[str, Any], None]:
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
        if guard is not None:
            last[-1].update(guard.body())
        for body in last:
            yield _chunk(body)


def _chunk(body: Mapping[str, Any]) -> dict[str, Any]:
    return {"chunk": {"bytes": json.dumps(body).encode()}}
