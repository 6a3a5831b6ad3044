"""Converse and ConverseStream."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from outcrop.engines.inference.engine import Finish
from outcrop.services.bedrock.converse.blocks import BlockEvents
from outcrop.services.bedrock.converse.generations import read_generation
from outcrop.services.bedrock.converse.messages import check_documents, write_block
from outcrop.services.bedrock.converse.pointers import read_pointer, select
from outcrop.services.bedrock.families import family_of
from outcrop.services.bedrock.guardrails.guards import completed
from outcrop.services.bedrock.runtime.runs import Completion, usage_of
from outcrop.services.bedrock.runtime.streams import Stream
from outcrop.services.contract import ValidationException

if TYPE_CHECKING:
    from outcrop.engines.inference.engine import Generation
    from outcrop.services.bedrock.catalogue import FoundationModel
    from outcrop.services.bedrock.converse.media import Media
    from outcrop.services.bedrock.guardrails.guards import Guard, Guards
    from outcrop.services.bedrock.runtime.calls import Call, Calls, Usage
    from outcrop.services.bedrock.runtime.runs import Run, Runs
    from outcrop.services.bedrock.runtime.upstream import Upstream
    from outcrop.services.contract import Context, Request, Result


class Conversations:
    def __init__(self, calls: Calls, upstream: Upstream, runs: Runs, media: Media, guards: Guards) -> None:
        self._guards = guards
        self._upstream = upstream
        self._calls = calls
        self._runs = runs
        self._media = media

    async def converse(self, ctx: Context, request: Request) -> Result:
        _check(request)
        paths = _paths(request)
        async with self._calls.open(ctx, "Converse", request) as call:
            if (choice := self._upstream.serves(call.target)) is not None:
                return await self._upstream.converse(call, choice)
            guard = self._guards.of(ctx, request.get("guardrailConfig") or {})
            completion = await self._complete(call, guard)
            finish = completion.finish
            call.output = result = {
                "output": {"message": {"role": "assistant", "content": [write_block(b) for b in completion.content]}},
                "stopReason": guard.reason(finish) if guard else finish.reason,
                "usage": usage(usage_of(finish, call.model), call.model),
                "metrics": {"latencyMs": completion.latency_ms},
                **(guard.trace() if guard else {}),
                **_echoed(request),
            }
            if selected := select(family_of(call.model).write(completion, call.model, {}), paths):
                result["additionalModelResponseFields"] = selected
            return result

    async def converse_stream(self, ctx: Context, request: Request) -> Result:
        _check(request)
        paths = _paths(request)
        async with self._calls.open(ctx, "ConverseStream", request) as call:
            if (choice := self._upstream.serves(call.target)) is not None:
                return await self._upstream.converse_stream(call, choice)
            guard = self._guards.of(ctx, request.get("guardrailConfig") or {})
            run = await self._start(call, guard)

            def extras(finish: Finish) -> Mapping[str, Any]:
                completion = Completion((), finish, run.latency_ms, run.origin)
                return select(family_of(call.model).write(completion, call.model, {}), paths) if paths else {}

            return {"stream": Stream(run, _events(run, extras, _echoed(request), guard))}

    async def _complete(self, call: Call, guard: Guard | None) -> Completion:
        if guard is None:
            return await self._runs.complete(call, await self._read(call, call.request))
        request = await guard.admit(call.request)
        generation = await self._read(call, request)
        if (refusal := guard.refusal(call)) is not None:
            return await completed(refusal)
        return await guard.answer(await self._runs.complete(call, generation))

    async def _start(self, call: Call, guard: Guard | None) -> Run:
        if guard is None:
            return await self._runs.start(call, await self._read(call, call.request))
        request = await guard.admit(call.request)
        generation = await self._read(call, request)
        if (refusal := guard.refusal(call)) is not None:
            return refusal
        return guard.stream(await self._runs.start(call, generation))

    async def _read(self, call: Call, request: Request) -> Generation:
        model = call.model
        if not model.writes_text:
            raise ValidationException(
                "This action doesn't support the model that you provided. Try again with a supported text or chat "
                "model."
            )
        if call.operation == "ConverseStream" and not model.streaming:
            raise ValidationException("The model is unsupported for streaming.")
        check_documents(request.get("messages") or ())
        return await read_generation(call.ctx, model, request, self._media)


def _check(request: Request) -> None:
    if request.get("promptVariables") and ":prompt/" not in request["modelId"]:
        raise ValidationException("promptVariables need a modelId that is the ARN of a prompt.")


def _paths(request: Request) -> list[Sequence[str]]:
    return [read_pointer(path) for path in request.get("additionalModelResponseFieldPaths", ())]


def _echoed(request: Request) -> dict[str, Any]:
    return {name: request[name] for name in ("performanceConfig", "serviceTier") if name in request}


def usage(used: Usage, model: FoundationModel) -> dict[str, int]:
    """Models that have no cache don't speak of it."""
    counted = {
        "inputTokens": used.input_tokens,
        "outputTokens": used.output_tokens,
        "totalTokens": used.input_tokens + used.cache_read_tokens + used.output_tokens,
    }
    if not model.caches:
        return counted
    return {**counted, "cacheReadInputTokens": used.cache_read_tokens, "cacheWriteInputTokens": used.cache_write_tokens}


async def _events(
    run: Run, extras: Callable[[Finish], Mapping[str, Any]], echoed: Mapping[str, Any], guard: Guard | None
) -> AsyncGenerator[dict[str, Any], None]:
    blocks = BlockEvents()
    yield {"messageStart": {"role": "assistant"}}
    async for event in run.events():
        for written in blocks.of(event):
            yield written
        if isinstance(event, Finish):
            stop: dict[str, Any] = {"stopReason": guard.reason(event) if guard else event.reason}
            if selected := extras(event):
                stop["additionalModelResponseFields"] = selected
            yield {"messageStop": stop}
            model = run.call.model
            counted = usage(usage_of(event, model), model)
            traced = guard.trace() if guard else {}
            yield {"metadata": {"usage": counted, "metrics": {"latencyMs": run.latency_ms}, **traced, **echoed}}
