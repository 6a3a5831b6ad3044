"""Tokens of texts and of whole prompts, for engines that have no tokenizer of their own."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING

from outcrop.engines.inference.engine import Document, EngineError, Generation, Reasoning, Text, ToolResult, ToolUse

if TYPE_CHECKING:
    from outcrop.engines.embedding import Embedder
    from outcrop.engines.inference.engine import Block

log = logging.getLogger("outcrop.inference")

_PIECE = re.compile(r"[^\W_]{1,6}|[^\w\s]|_")
_LONG = 50_000
_PER_MESSAGE = 4
"""What chat templates put around a message."""


class Tokens:
    """Counts and cuts text by token offsets."""

    def __init__(self, spans: Callable[[str], list[tuple[int, int]]], exact: bool) -> None:
        self._spans = spans
        self.exact = exact
        """False: by rule, because no tokenizer is there; within some 20 percent for English."""

    async def count(self, text: str) -> int:
        if len(text) > _LONG:
            return len(await asyncio.to_thread(self._spans, text))
        return len(self._spans(text))

    async def prompt(self, generation: Generation) -> int:
        """Tokens of everything that the engine is given, images left out."""
        total = _PER_MESSAGE * len(generation.messages)
        for text in prompt_texts(generation):
            total += await self.count(text)
        return total

    def cut(self, text: str, limit: int) -> str:
        """The longest beginning of `text` of at most `limit` tokens."""
        spans = self._spans(text)
        return text if len(spans) <= limit else text[: spans[limit - 1][1]] if limit > 0 else ""


def by_rule(text: str) -> list[tuple[int, int]]:
    """Offsets of pieces of words of up to six letters and of single signs."""
    return [match.span() for match in _PIECE.finditer(text)]


class Tokenizer:
    """The embedder's tokenizer, or the rule where the weights are missing (said once in the log)."""

    def __init__(self, embedder: Callable[[], Awaitable[Embedder]]) -> None:
        self._embedder = embedder
        self._warned = False

    async def tokens(self) -> Tokens:
        try:
            embedder = await self._embedder()
        except EngineError as error:
            if not self._warned:
                self._warned = True
                log.warning("token counts are approximate: %s", error)
            return Tokens(by_rule, exact=False)
        return Tokens(embedder.token_spans, exact=True)


def prompt_texts(generation: Generation) -> Iterator[str]:
    """Every text of a prompt: system, tools, then the blocks of each message."""
    if generation.system:
        yield generation.system
    for tool in generation.tools:
        yield f"{tool.name} {tool.description} {json.dumps(tool.schema)}"
    if generation.json_schema is not None:
        yield json.dumps(generation.json_schema)
    for message in generation.messages:
        for block in message.content:
            yield from _block_texts(block)


def _block_texts(block: Block) -> Iterator[str]:
    match block:
        case Text(text) | Reasoning(text):
            yield text
        case Document(name, _, data):
            yield f"{name} {data.decode(errors='replace')}"
        case ToolUse(_, name, arguments):
            yield f"{name} {json.dumps(arguments)}"
        case ToolResult(_, content):
            for part in content:
                yield from _block_texts(part)
