"""How relevant texts are to a question: by meaning (cosine) and by shared words together."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from outcrop.engines.inference.selecting import STOPWORDS, words

if TYPE_CHECKING:
    from outcrop.engines.embedding import Embedder

_BY_WORDS = 0.3
"""The share of the score that shared words carry."""


async def relevances(embedder: Embedder, question: str, texts: Sequence[str]) -> list[float]:
    """A score from 0 to 1 for each text."""
    query = await embedder.embed([question], "query")
    near = (await embedder.embed(texts)) @ query[0]
    asked = set(words(question)) - STOPWORDS or set(words(question))
    found = [asked.intersection(words(text)) for text in texts]
    spread = Counter(word for shared in found for word in shared)
    weight = {word: math.log(1 + (len(texts) + 1) / (1 + spread[word])) for word in asked}
    whole = sum(weight.values()) or 1.0
    return [
        (1 - _BY_WORDS) * max(0.0, float(cosine)) + _BY_WORDS * sum(weight[word] for word in shared) / whole
        for cosine, shared in zip(near, found, strict=True)
    ]
