"""Engines that write all that they answer on a tape."""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, cast

from outcrop.engines.inference.engine import (
    Event,
    Finish,
    Generation,
    Origin,
    ReasoningDelta,
    Text,
    TextDelta,
    ToolUseDelta,
    ToolUseStart,
)
from outcrop.engines.inference.tape import key_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from outcrop.engines.embedding import Embedder, Purpose
    from outcrop.engines.inference.engine import TextEngine
    from outcrop.engines.inference.images import Drawing, ImageEngine
    from outcrop.engines.inference.tape import Tape

EVENTS: dict[str, type[Event]] = {
    "origin": Origin,
    "text": TextDelta,
    "reasoning": ReasoningDelta,
    "tool": ToolUseStart,
    "tool_input": ToolUseDelta,
    "finish": Finish,
}
"""Events by the names that they have on a tape."""
_NAMES = {kind: name for name, kind in EVENTS.items()}


class RecordedText:
    """What is said, with its timing, as the one who asked gets it. What is not asked to its end is not recorded."""

    def __init__(self, engine: TextEngine, tape: Tape) -> None:
        self._engine = engine
        self._tape = tape

    @property
    def name(self) -> str:
        return self._engine.name

    @property
    def extractive(self) -> bool:
        return self._engine.extractive

    async def open(self) -> None:
        await self._engine.open()

    async def aclose(self) -> None:
        await self._engine.aclose()

    async def generate(self, generation: Generation) -> AsyncIterator[Event]:
        started = time.monotonic()
        said: list[Event] = []
        async with aclosing(cast("AsyncGenerator[Event, None]", self._engine.generate(generation))) as events:
            async for event in events:
                if not said:
                    first_ms = round((time.monotonic() - started) * 1000)
                    said.append(Origin(secrets.token_hex(16), int(time.time()), self._engine.name, first_ms))
                    yield said[0]
                if isinstance(event, Finish):
                    event = replace(event, latency_ms=round((time.monotonic() - started) * 1000))
                    self._write(generation, [*said, event])
                said.append(event)
                yield event

    def _write(self, generation: Generation, said: list[Event]) -> None:
        answer = [{"event": _NAMES[type(event)], **asdict(event)} for event in said]
        texts = [block.text for block in generation.messages[-1].content if isinstance(block, Text)]
        self._tape.append("text", generation.model, key_of(generation), "\n".join(texts), answer)

    async def count(self, generation: Generation) -> int:
        counted = await self._engine.count(generation)
        self._tape.append("text", generation.model, key_of(["count", asdict(generation)]), "(count)", counted)
        return counted


class RecordedEmbedder:
    def __init__(self, embedder: Embedder, model: str, tape: Tape) -> None:
        self._embedder = embedder
        self._model = model
        self._tape = tape

    @property
    def name(self) -> str:
        return self._embedder.name

    @property
    def dimensions(self) -> int:
        return self._embedder.dimensions

    async def open(self) -> None:
        await self._embedder.open()
        about = {"name": self.name, "dimensions": self.dimensions}
        self._tape.append("embedding", self._model, key_of(self._model), "(the embedder)", about)

    async def aclose(self) -> None:
        await self._embedder.aclose()

    async def embed(self, texts: Sequence[str], purpose: Purpose = "document") -> NDArray[np.float32]:
        vectors = await self._embedder.embed(texts, purpose)
        for text, vector in zip(texts, vectors, strict=True):
            written = base64.b64encode(vector.astype("<f4").tobytes()).decode()
            self._tape.append("embedding", self._model, key_of([self._model, purpose, text]), text, written)
        return vectors

    def count_tokens(self, text: str) -> int:
        return self._embedder.count_tokens(text)

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        return self._embedder.token_spans(text)


class RecordedImages:
    def __init__(self, engine: ImageEngine, model: str, tape: Tape) -> None:
        self._engine = engine
        self._model = model
        self._tape = tape

    @property
    def name(self) -> str:
        return self._engine.name

    async def open(self) -> None:
        await self._engine.open()

    async def aclose(self) -> None:
        await self._engine.aclose()

    async def draw(self, drawing: Drawing) -> list[bytes]:
        images = await self._engine.draw(drawing)
        written: Any = [base64.b64encode(image).decode() for image in images]
        self._tape.append("image", self._model, key_of([self._model, asdict(drawing)]), drawing.prompt, written)
        return images
