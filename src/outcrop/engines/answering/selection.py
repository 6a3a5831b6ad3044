"""The passages of one long document that bear on a question, without an index."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from outcrop.engines.indexing.terms import query_terms, terms

if TYPE_CHECKING:
    from outcrop.engines.embedding import Embedder

MOST_EMBEDDED = 200
"""Of a longer document the passages with most of the question's words are looked at."""


async def select(embedder: Embedder, question: str, passages: Sequence[str], limit: int) -> list[tuple[int, float]]:
    """(index, cosine) of the most relevant passages, best first."""
    candidates = await asyncio.to_thread(_worded, question, passages)
    (vector,) = await embedder.embed([question], "query")
    rows = await embedder.embed([passages[index] for index, _ in candidates])
    cosines = [max(0.0, float(row @ vector)) for row in rows]
    ranked = sorted(zip(candidates, cosines, strict=True), key=lambda one: -(one[1] + one[0][1]))
    return [(index, cosine) for (index, _), cosine in ranked[:limit]]


def _worded(question: str, passages: Sequence[str]) -> list[tuple[int, float]]:
    """(index, share of the question's words by rarity), the best ones of a long document, in its order if short."""
    wanted = query_terms(question)
    found = [set(wanted).intersection(terms(passage)) for passage in passages]
    weight = {word: math.log(1 + len(passages) / (1 + sum(word in one for one in found))) for word in wanted}
    total = sum(weight.values()) or 1.0
    shares = [(index, sum(weight[word] for word in one) / total) for index, one in enumerate(found)]
    return sorted(shares, key=lambda one: -one[1])[:MOST_EMBEDDED]
