"""Whether a passage supports a statement: what is cited must be in what it cites."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from outcrop.engines.chunking.sentences import split_sentences
from outcrop.engines.indexing.terms import STOP_WORDS, query_terms, terms

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from outcrop.engines.embedding import Embedder

_NUMBER = re.compile(r"(?<![\w.])\d+(?:,\d{3})*(?:\.\d+)?")
_NAME = re.compile(r"(?<=[\w,;:’'\")] )(?:[A-Z][\w-]*[a-z]\w*|[A-Z]{2,})")
"""A capital within a sentence."""
_WORDED, _MEANT = 0.6, 0.6
"""The share of a statement's words, or the cosine with a sentence, that is enough alone."""
_BOTH = 0.35, 0.42
_WINDOW = 2
"""Sentences of a passage that are read together."""
_MOST_WINDOWS = 60
_LONGEST = 2000


class Support:
    """Over the passages of one answer; their meanings are computed when they are first needed."""

    def __init__(self, embedder: Embedder, question: str, passages: Sequence[str]) -> None:
        self._embedder = embedder
        self._passages = passages
        self._asked = frozenset(terms(question))
        self._words: dict[int, frozenset[str]] = {}
        self._meanings: dict[int, NDArray[np.float32]] = {}

    async def supporting(self, statement: str, candidates: Collection[int]) -> tuple[int, ...]:
        """Those of the candidate passages (by index) that support the statement, in order."""
        statement = statement.strip()[:_LONGEST]
        wanted = query_terms(statement, 200)
        if not any(char.isalnum() for char in statement):
            return tuple(sorted(candidates))
        found = []
        for index in sorted(candidates):
            words = self._terms(index)
            if not self._facts(statement, words):
                continue
            covered = sum(word in words for word in wanted) / len(wanted) if wanted else 1.0
            if covered >= _WORDED or await self._means(statement, index, covered):
                found.append(index)
        return tuple(found)

    def _facts(self, statement: str, words: Collection[str]) -> bool:
        """Every number and name of the statement is the passage's, or was the question's."""
        known = self._asked | set(words)
        for number in _NUMBER.findall(statement):
            if not set(terms(number)) <= known:
                return False
        for name in _NAME.findall(statement):
            if name.lower() not in STOP_WORDS and not set(terms(name)) <= known:
                return False
        return True

    async def _means(self, statement: str, index: int, covered: float) -> bool:
        if index not in self._meanings:
            windows = await asyncio.to_thread(_windows, self._passages[index])
            self._meanings[index] = await self._embedder.embed(windows, "query")
        (vector,) = await self._embedder.embed([statement], "query")
        cosine = float((self._meanings[index] @ vector).max())
        return cosine >= _MEANT or (covered >= _BOTH[0] and cosine >= _BOTH[1])

    def _terms(self, index: int) -> frozenset[str]:
        if index not in self._words:
            self._words[index] = frozenset(terms(self._passages[index]))
        return self._words[index]


def _windows(passage: str) -> list[str]:
    spans = split_sentences(passage) or [(0, len(passage))]
    starts = range(max(1, len(spans) - _WINDOW + 1))
    return [passage[spans[at][0] : spans[min(at + _WINDOW, len(spans)) - 1][1]] for at in starts][:_MOST_WINDOWS]
