"""Parsing, cutting and embedding one document in this process (its parser works in children)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from outcrop.engines.chunking.chunk import Chunk, Strategy
from outcrop.engines.parsing.document import ParsedDocument, Records
from outcrop.engines.preparing.threads import in_thread

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from outcrop.engines.embedding import Embedder
    from outcrop.engines.parsing import Parser


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a document is prepared."""

    name: str
    """Tells its format."""
    strategy: Strategy
    prefix: str = ""
    """Goes before each chunk's text when it is embedded."""
    records: Records | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    chunks: Sequence[Chunk]
    vectors: NDArray[np.float32]
    """A row a chunk."""


class Hands:
    """A parser and an embedder, both open."""

    def __init__(self, parser: Parser, embedder: Embedder) -> None:
        self._parser = parser
        self._embedder = embedder

    async def prepare(self, path: Path, recipe: Recipe) -> Prepared:
        """Raises ParseError, TooLong, EngineError."""
        document = await self._parser.parse(path, recipe.name, recipe.records)
        chunks = await self.cut(document, recipe.strategy)
        return Prepared(chunks, await self.embed(chunks, document.title, recipe.prefix))

    async def cut(self, document: ParsedDocument, strategy: Strategy) -> list[Chunk]:
        """Raises TooLong for a document that is too long for semantic chunking."""
        from outcrop.engines.chunking import chunk

        blocking = _Blocking(self._embedder)
        return await in_thread(
            chunk, document, strategy, self._embedder.token_spans, blocking.embed, cancel=blocking.cancel
        )

    async def embed(self, chunks: Sequence[Chunk], title: str, prefix: str) -> NDArray[np.float32]:
        return await self._embedder.embed([prefix + embedded_text(chunk, title) for chunk in chunks])


def embedded_text(chunk: Chunk, title: str) -> str:
    """What is embedded for a chunk: its headings first where its own text doesn't begin with them."""
    heading = chunk.section.rsplit(" › ", 1)[-1] or title
    return chunk.text if not heading or chunk.text.startswith(heading) else f"{heading}\n{chunk.text}"


class _Blocking:
    """An embedder for threads; `cancel` makes a call that is under way fail."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._loop = asyncio.get_running_loop()
        self._cancel: Callable[[], object] | None = None

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        call = asyncio.run_coroutine_threadsafe(self._embedder.embed(texts), self._loop)
        self._cancel = call.cancel
        return call.result()

    def cancel(self) -> None:
        if self._cancel is not None:
            self._cancel()
