"""Runs a generation on its engine: the same for Converse and InvokeModel, streamed or not, for every family.

Every text that a model writes passes `Runs.start` or `Runs.complete`, with its call: the place for what has to see the
prompt and the answer."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from outcrop.engines.inference.engine import (
    EngineError,
    Event,
    Finish,
    Origin,
    Reasoning,
    ReasoningDelta,
    Text,
    TextDelta,
    ToolUse,
    ToolUseDelta,
    ToolUseStart,
)
from outcrop.engines.inference.tokens import Tokens, by_rule
from outcrop.services.bedrock.errors import ModelErrorException, ModelStreamErrorException, from_engine, in_stream
from outcrop.services.bedrock.runtime.calls import Usage
from outcrop.services.contract import ValidationException

if TYPE_CHECKING:
    from outcrop.engines.inference.engine import Generation, TextEngine
    from outcrop.engines.inference.models import Models
    from outcrop.services.bedrock.catalogue import FoundationModel
    from outcrop.services.bedrock.catalogue.targets import Target
    from outcrop.services.bedrock.runtime.calls import Call
    from outcrop.services.contract import Context


Content = Text | ToolUse | Reasoning


@dataclass(frozen=True, slots=True)
class Completion:
    """A whole answer."""

    content: tuple[Content, ...]
    finish: Finish
    latency_ms: int
    origin: Origin

    @property
    def text(self) -> str:
        return "".join(block.text for block in self.content if isinstance(block, Text))

    @property
    def reasoning(self) -> str:
        return "".join(block.text for block in self.content if isinstance(block, Reasoning))


@dataclass(slots=True)
class Run:
    """An answer that has begun. Iterate once; `aclose()` cancels the engine."""

    call: Call
    origin: Origin
    input_tokens: int
    """Counted by rule before the engine says it: good enough where a family wants it first."""
    _first: Event
    _events: AsyncGenerator[Event, None]
    _written: list[str] = field(default_factory=list)
    _finish: Finish | None = None

    @property
    def latency_ms(self) -> int:
        return _latency(self.call, self._finish)

    async def events(self) -> AsyncIterator[Event]:
        """Raises ModelStreamErrorException."""
        event = self._first
        try:
            self._note(event)
            if self._shows(event):
                yield event
            async for event in self._events:
                self._note(event)
                if self._shows(event):
                    yield event
        except EngineError as error:
            raise in_stream(error) from error
        if not isinstance(event, Finish):
            raise ModelStreamErrorException("The engine ended without a reason.", originalStatusCode=500)

    def _shows(self, event: Event) -> bool:
        generation = self.call.generation
        return not isinstance(event, ReasoningDelta) or generation is None or generation.shows_reasoning

    def _note(self, event: Event) -> None:
        match event:
            case TextDelta(text) | ToolUseDelta(text) | ReasoningDelta(text):
                self._written.append(text)
            case Finish():
                self._finish = event
                self.call.usage = usage_of(event, self.call.model)
                self.call.latency_ms = self.latency_ms

    async def aclose(self) -> None:
        """What was written until then is charged, as AWS does."""
        await self._events.aclose()
        if self.call.usage is None:
            self.call.usage = Usage(self.input_tokens, len(by_rule("".join(self._written))))


class Runs:
    """In strict mode nobody may ask for more tokens than the model can write."""

    def __init__(self, models: Models, strict: bool = False) -> None:
        self._models = models
        self._strict = strict

    async def start(self, call: Call, generation: Generation) -> Run:
        """Wait for the engine's first event, so that failures before it are answered as errors of the request."""
        self._check(call, generation)
        await call.admit(generation)
        try:
            engine = await self._models.text(call.target.key)
            events = cast("AsyncGenerator[Event, None]", engine.generate(generation))
            try:
                first = await anext(events)
                origin = first if isinstance(first, Origin) else _origin(call, engine)
                if first is origin:
                    first = await anext(events)
                tokens = await self._estimate(engine, generation)
            except BaseException:
                await events.aclose()
                raise
            call.ctx.notes["served-by"] = engine.name
        except EngineError as error:
            raise from_engine(error, call.target.resource) from error
        except StopAsyncIteration:
            raise ModelErrorException("The engine ended without an answer.", originalStatusCode=500) from None
        call.first_ms = origin.first_ms
        return Run(call, origin, tokens, first, events)

    def _check(self, call: Call, generation: Generation) -> None:
        limit = call.model.max_output
        if self._strict and limit and generation.max_tokens is not None and generation.max_tokens > limit:
            raise ValidationException(
                f"The maximum tokens you requested exceeds the model limit of {limit}. Try again with a maximum tokens "
                f"value that is lower than {limit}."
            )

    async def _estimate(self, engine: TextEngine, generation: Generation) -> int:
        """A remote engine counts only when it has finished; asking it beforehand would cost a second request."""
        if engine.extractive:
            return await engine.count(generation)
        return await Tokens(by_rule, exact=False).prompt(generation)

    async def complete(self, call: Call, generation: Generation) -> Completion:
        self._check(call, generation)
        await call.admit(generation)
        blocks = _Blocks()
        origin: Origin | None = None
        finish: Finish | None = None
        try:
            engine = await self._models.text(call.target.key)
            async with aclosing(cast("AsyncGenerator[Event, None]", engine.generate(generation))) as events:
                async for event in events:
                    if isinstance(event, Origin):
                        origin = event
                        continue
                    blocks.add(event)
                    if isinstance(event, Finish):
                        finish = event
            call.ctx.notes["served-by"] = engine.name
        except EngineError as error:
            raise from_engine(error, call.target.resource) from error
        if finish is None:
            raise ModelErrorException("The engine ended without a reason.", originalStatusCode=500)
        call.usage, call.latency_ms = usage_of(finish, call.model), _latency(call, finish)
        content = blocks.content(generation.shows_reasoning)
        return Completion(content, finish, call.latency_ms, origin or _origin(call, engine))

    async def count(self, ctx: Context, target: Target, generation: Generation) -> int:
        """The tokens that the same request would be charged as its input."""
        try:
            engine = await self._models.text(target.key)
            tokens = await engine.count(generation)
            ctx.notes["served-by"] = engine.name
        except EngineError as error:
            raise from_engine(error, target.resource) from error
        return tokens


def _origin(call: Call, engine: TextEngine) -> Origin:
    return Origin(secrets.token_hex(16), int(time.time()), engine.name, call.elapsed_ms())


def _latency(call: Call, finish: Finish | None) -> int:
    told = finish.latency_ms if finish else None
    return call.elapsed_ms() if told is None else told


def usage_of(finish: Finish, model: FoundationModel) -> Usage:
    """What was read from a cache is not among the input tokens, if the model that was named has a cache."""
    cached = finish.cached_tokens if model.caches else 0
    return Usage(finish.input_tokens - cached, finish.output_tokens, cache_read_tokens=cached)


class _Blocks:
    """Puts an answer's blocks together from its events."""

    def __init__(self) -> None:
        self._blocks: list[Content] = []
        self._kind: type[Event] | None = None
        self._tool: ToolUseStart | None = None
        self._pieces: list[str] = []

    def add(self, event: Event) -> None:
        kind = type(event)
        if kind is not self._kind and kind is not ToolUseDelta:
            self._end()
            self._kind = kind
        match event:
            case ToolUseStart():
                self._end()
                self._tool = event
            case TextDelta(piece) | ReasoningDelta(piece) | ToolUseDelta(piece):
                self._pieces.append(piece)

    def _end(self) -> None:
        joined, self._pieces = "".join(self._pieces), []
        if self._tool is not None:
            self._blocks.append(tool_use(self._tool, joined))
            self._tool = None
        elif joined:
            self._blocks.append(Reasoning(joined) if self._kind is ReasoningDelta else Text(joined))

    def content(self, with_reasoning: bool) -> tuple[Content, ...]:
        self._end()
        return tuple(block for block in self._blocks if with_reasoning or not isinstance(block, Reasoning))


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
