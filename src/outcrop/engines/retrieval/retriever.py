"""Searching an index by meaning, by words, or by both at once."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from outcrop.engines.retrieval.duplicates import Seen

if TYPE_CHECKING:
    from outcrop.engines.embedding import Embedder
    from outcrop.engines.indexing.filters import Filter
    from outcrop.engines.indexing.index import Hit, Index

Mode = Literal["hybrid", "semantic", "text"]

TEXT_WEIGHT = 0.5
"""Of the words' score in a hybrid one; docs/decisions/0004-retrieval.md has the measurements."""

_DEPTH = 50
_LONGEST_QUESTION = 20_000


@dataclass(frozen=True, slots=True)
class Scored:
    id: str
    document: str
    text: str
    metadata: Mapping[str, Any]
    score: float
    """0 to 1, higher is better. Semantic: the cosine. Text: BM25 bent to end at 1. Hybrid: the mean of both."""
    vector_score: float | None
    """Cosine, 0 to 1; None in text mode."""
    text_score: float | None
    """0 to 1; None where no word of the question was found, and in semantic mode."""


class Retriever:
    """One index with the embedder that filled it."""

    def __init__(self, index: Index, embedder: Embedder) -> None:
        self._index = index
        self._embedder = embedder

    async def search(
        self, question: str, limit: int = 5, mode: Mode = "hybrid", where: Filter | None = None
    ) -> list[Scored]:
        """The passages that bear most on a question, best first. Of passages that repeat each other, such as copies
        of a document, one is kept as long as there are others."""
        question = question[:_LONGEST_QUESTION].strip()
        if not question or limit <= 0:
            return []
        depth = max(_DEPTH, 3 * limit)
        if mode == "text":
            found = self._by_text(await self._worded(question, depth, where))
        elif mode == "semantic":
            found = _by_vector(await self._near(await self._vector(question), depth, where))
        else:
            # The words are looked up while the question is being embedded.
            vector, worded = await asyncio.gather(self._vector(question), self._worded(question, depth, where))
            near = await self._near(vector, depth, where)
            found = await asyncio.to_thread(self._by_both, near, worded, vector)
        return await asyncio.to_thread(_varied, found, limit)

    async def _vector(self, question: str) -> Any:
        return (await self._embedder.embed([question], "query"))[0]

    async def _near(self, vector: Any, depth: int, where: Filter | None) -> list[Hit]:
        return await asyncio.to_thread(self._index.search_vector, vector, depth, where)

    async def _worded(self, question: str, depth: int, where: Filter | None) -> list[Hit]:
        return await asyncio.to_thread(self._index.search_text, question, depth, where)

    def _by_text(self, hits: Sequence[Hit]) -> list[Scored]:
        half = self._half()
        return [_scored(hit, text := _saturated(hit.score, half), None, text) for hit in hits]

    def _by_both(self, nearest: Sequence[Hit], having_words: Sequence[Hit], vector: Any) -> list[Scored]:
        near, worded = {hit.id: hit for hit in nearest}, {hit.id: hit for hit in having_words}
        cosines = {name: hit.score for name, hit in near.items()}
        far = [name for name in worded if name not in near]
        if far:
            cosines.update(zip(far, (self._index.vectors(far) @ vector).tolist(), strict=True))
        half = self._half()
        found = []
        for name, hit in (near | worded).items():
            cosine = _unit(cosines[name])
            text = _saturated(worded[name].score, half) if name in worded else None
            score = (1 - TEXT_WEIGHT) * cosine + TEXT_WEIGHT * (text or 0.0)
            found.append(_scored(hit, score, cosine, text))
        return sorted(found, key=lambda one: -one.score)

    def _half(self) -> float:
        """The BM25 that counts as 0.5. BM25 grows with the logarithm of the index's size, so this does too."""
        return 1.2 * math.log(2 + self._index.count())


def _by_vector(hits: Sequence[Hit]) -> list[Scored]:
    return [_scored(hit, cosine := _unit(hit.score), cosine, None) for hit in hits]


def _scored(hit: Hit, score: float, vector_score: float | None, text_score: float | None) -> Scored:
    return Scored(hit.id, hit.document, hit.text, hit.metadata, score, vector_score, text_score)


def _unit(cosine: float) -> float:
    return min(1.0, max(0.0, cosine))


def _saturated(score: float, half: float) -> float:
    score = max(0.0, score)
    return score / (score + half)


def _varied(found: Sequence[Scored], limit: int) -> list[Scored]:
    seen = Seen()
    kept: list[Scored] = []
    repeated: list[Scored] = []
    for one in found:
        if len(kept) == limit:
            break
        (kept if seen.add(one.text) else repeated).append(one)
    return sorted(kept + repeated[: limit - len(kept)], key=lambda one: -one.score)
