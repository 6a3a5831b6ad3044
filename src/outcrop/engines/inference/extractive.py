"""The built-in engine: deterministic, offline. It writes nothing of its own, it selects from the text in the prompt."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

from outcrop.engines.inference.engine import (
    EngineUnsupported,
    Event,
    Finish,
    Generation,
    Image,
    StopReason,
    TextDelta,
    ToolResult,
)
from outcrop.engines.inference.reading import Reading, Section, read_prompt
from outcrop.engines.inference.stops import StopScanner
from outcrop.engines.inference.tasks import Answering, Labelling, Phrasing, Summarizing, find_task

if TYPE_CHECKING:
    from outcrop.engines.embedding import Embedder
    from outcrop.engines.inference.tokens import Tokens

ATTACH = "To attach a language model, start Outcrop with `outcrop up --llm http://localhost:11434/v1#llama3.2`."
NO_TEXT = f"The built-in engine answers only from text that the prompt contains, and this one has none to use. {ATTACH}"
NO_ANSWER = f"The text in the prompt does not answer this, and the built-in engine knows nothing else. {ATTACH}"

_GIVEN = 0.75
"""Text that stands in the prompt is likelier to be meant than what a search brought: less relevance will do."""
_WORD = re.compile(r"\S+\s*|\s+")


class Extractive:
    """Answers, summaries, labels and key phrases out of the prompt's own text. `threshold` is the least relevance
    (cosine, 0 to 1) of an answer."""

    name = "extractive"
    extractive = True

    def __init__(
        self,
        embedder: Callable[[], Awaitable[Embedder]],
        tokens: Callable[[], Awaitable[Tokens]],
        threshold: float,
    ) -> None:
        self._embedder = embedder
        self._tokens = tokens
        self._threshold = threshold

    async def open(self) -> None:
        """Nothing to do: the embedder opens when the first answer needs it."""

    async def aclose(self) -> None:
        """Nothing to do: the embedder is shared."""

    async def count(self, generation: Generation) -> int:
        return await (await self._tokens()).prompt(generation)

    async def generate(self, generation: Generation) -> AsyncIterator[Event]:
        _check(generation)
        text = await self._write(await asyncio.to_thread(read_prompt, generation, (NO_TEXT, NO_ANSWER)))
        tokens = await self._tokens()
        entered = await tokens.prompt(generation)
        reason: StopReason = "end_turn"
        scanner = StopScanner(generation.stop)
        kept = scanner.feed(text.encode("utf-8", "replace").decode())
        kept += scanner.flush()
        if scanner.found is not None:
            reason = "stop_sequence"
        if generation.max_tokens is not None and (cut := tokens.cut(kept, generation.max_tokens)) != kept:
            kept, reason = cut, "max_tokens"
        for word in _WORD.findall(kept):
            yield TextDelta(word)
            await asyncio.sleep(0)
        stop = scanner.found if reason == "stop_sequence" else None
        yield Finish(reason, entered, await tokens.count(kept), stop)

    async def _write(self, reading: Reading) -> str:
        task = find_task(reading)
        if not reading.material and not isinstance(task, Labelling):
            return NO_TEXT
        match task:
            case Summarizing(sentences, words, bullets):
                return await self._summarize(reading.material, sentences, words, bullets)
            case Phrasing(count):
                return await self._phrases(reading.material, count)
            case Labelling(labels, text):
                return await self._label(text, labels)
            case Answering(question):
                return await self._answer(question, reading.material)

    async def _answer(self, question: str, material: list[Section]) -> str:
        from outcrop.engines.answering.extractive import ExtractiveAnswerer
        from outcrop.engines.inference.selecting import rank_passages

        if not question:
            return NO_TEXT
        embedder = await self._embedder()
        ranked = await rank_passages(embedder, question, material)
        answer = await ExtractiveAnswerer(embedder, _GIVEN * self._threshold).answer(question, ranked)
        return answer.text if answer else NO_ANSWER

    async def _summarize(
        self, material: list[Section], count: int | None, most_words: int | None, bullets: bool
    ) -> str:
        from outcrop.engines.inference.selecting import central_sentences

        chosen = await central_sentences(await self._embedder(), material, count, most_words)
        if not chosen:
            return NO_TEXT
        return "\n".join(f"- {sentence}" for sentence in chosen) if bullets else " ".join(chosen)

    async def _phrases(self, material: list[Section], count: int) -> str:
        from outcrop.engines.inference.selecting import key_phrases

        return ", ".join(await key_phrases(await self._embedder(), material, count)) or NO_TEXT

    async def _label(self, text: str, labels: tuple[str, ...]) -> str:
        from outcrop.engines.inference.selecting import nearest_label

        return await nearest_label(await self._embedder(), text, labels) if text else NO_TEXT


def _check(generation: Generation) -> None:
    """Refuse what selecting sentences can't do. Raises EngineUnsupported."""
    if generation.json_schema is not None:
        raise EngineUnsupported(f"The built-in engine can't write JSON to a schema. {ATTACH}")
    if generation.tools and generation.tool_choice not in (None, "auto"):
        raise EngineUnsupported(f"The built-in engine can't call tools, and this request demands it. {ATTACH}")
    for message in generation.messages:
        for block in message.content:
            parts = block.content if isinstance(block, ToolResult) else (block,)
            if any(isinstance(part, Image) for part in parts):
                raise EngineUnsupported(f"The built-in engine can't look at images. {ATTACH}")
