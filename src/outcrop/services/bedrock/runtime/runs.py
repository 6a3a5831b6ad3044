"""Runs a generation on its engine: the same for Converse and InvokeModel, streamed or not."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from outcrop.engines.inference.engine import (
    EngineError,
    Event,
    Finish,
    Text,
    TextDelta,
    ToolUse,
    ToolUseDelta,
    ToolUseStart,
)
from outcrop.engines.inference.tokens import Tokens, by_rule
from outcrop.services.bedrock.errors import ModelErrorException, ModelStreamErrorException, from_engine, in_stream

if TYPE_CHECKING:
    from outcrop.engines.inference.engine import Generation, TextEngine
    from outcrop.engines.inference.models import Models
    from outcrop.services.bedrock.catalogue import FoundationModel
    from outcrop.services.contract import Context


@dataclass(frozen=True, slots=True)
class Completion:
    """A whole answer."""

    content: tuple[Text | ToolUse, ...]
    finish: Finish
    latency_ms: int

    @property
    def text(self) -> str:
        return "".join(block.text for block in self.content if isinstance(block, Text))


@dataclass(slots=True)
class Run:
    """An answer that has begun. Iterate once; `aclose()` cancels the engine."""

    input_tokens: int
    """Counted by rule before the engine says it: good enough where a family wants it first."""
    _first: Event
    _events: AsyncGenerator[Event, None]
    _started: float
    first_ms: int
    """Milliseconds to the first event."""

    @property
    def latency_ms(self) -> int:
        return round((time.monotonic() - self._started) * 1000)

    async def events(self) -> AsyncIterator[Event]:
        """Raises ModelStreamErrorException."""
        try:
            yield self._first
            last = self._first
            async for event in self._events:
                yield event
                last = event
        except EngineError as error:
            raise in_stream(error) from error
        if not isinstance(last, Finish):
            raise ModelStreamErrorException("The engine ended without a reason.", originalStatusCode=500)

    async def aclose(self) -> None:
        await self._events.aclose()


class Runs:
    def __init__(self, models: Models) -> None:
        self._models = models

    async def start(self, ctx: Context, model: FoundationModel, generation: Generation) -> Run:
        """Wait for the engine's first event, so that failures before it are answered as errors of the request."""
        started = time.monotonic()
        try:
            engine = await self._models.text(model.id)
            events = cast("AsyncGenerator[Event, None]", engine.generate(generation))
            try:
                first = await anext(events)
                tokens = await self._estimate(engine, generation)
            except BaseException:
                await events.aclose()
                raise
            ctx.notes["served-by"] = engine.name
        except EngineError as error:
            raise from_engine(error, model.arn(ctx.region)) from error
        except StopAsyncIteration:
            raise ModelErrorException("The engine ended without an answer.", originalStatusCode=500) from None
        return Run(tokens, first, events, started, round((time.monotonic() - started) * 1000))

    async def _estimate(self, engine: TextEngine, generation: Generation) -> int:
        """A remote engine counts only when it has finished; asking it beforehand would cost a second request."""
        if engine.extractive:
            return await engine.count(generation)
        return await Tokens(by_rule, exact=False).prompt(generation)

    async def complete(self, ctx: Context, model: FoundationModel, generation: Generation) -> Completion:
        started = time.monotonic()
        content: list[Text | ToolUse] = []
        pieces: list[str] = []
        call: ToolUseStart | None = None
        finish: Finish | None = None
        try:
            engine = await self._models.text(model.id)
            async with aclosing(cast("AsyncGenerator[Event, None]", engine.generate(generation))) as events:
                async for event in events:
                    match event:
                        case TextDelta(text):
                            if call is not None:
                                content.append(tool_use(call, "".join(pieces)))
                                call, pieces = None, []
                            pieces.append(text)
                        case ToolUseStart():
                            content.extend(_block(call, pieces))
                            call, pieces = event, []
                        case ToolUseDelta(partial):
                            pieces.append(partial)
                        case Finish():
                            finish = event
            ctx.notes["served-by"] = engine.name
        except EngineError as error:
            raise from_engine(error, model.arn(ctx.region)) from error
        if finish is None:
            raise ModelErrorException("The engine ended without a reason.", originalStatusCode=500)
        content.extend(_block(call, pieces))
        return Completion(tuple(content), finish, round((time.monotonic() - started) * 1000))

    async def count(self, ctx: Context, model: FoundationModel, generation: Generation) -> int:
        """The tokens that the same request would be charged as its input."""
        try:
            engine = await self._models.text(model.id)
            tokens = await engine.count(generation)
            ctx.notes["served-by"] = engine.name
        except EngineError as error:
            raise from_engine(error, model.arn(ctx.region)) from error
        return tokens


def _block(call: ToolUseStart | None, pieces: list[str]) -> list[Text | ToolUse]:
    joined = "".join(pieces)
    if call is not None:
        return [tool_use(call, joined)]
    return [Text(joined)] if joined else []


def tool_use(call: ToolUseStart, arguments: str) -> ToolUse:
    """Raises ModelErrorException if the model wrote arguments that are no JSON object."""
    try:
        decoded: Any = json.loads(arguments) if arguments.strip() else {}
    except ValueError:
        decoded = None
    if not isinstance(decoded, dict):
        raise ModelErrorException(
            f"The model called the tool {call.name} with arguments that are not a JSON object: {arguments[:200]}",
            originalStatusCode=500,
        )
    return ToolUse(call.id, call.name, decoded)
