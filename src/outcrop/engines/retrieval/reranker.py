"""How relevant texts are to a question, read token by token: slower than comparing one vector each, and better.

Each of the question's tokens looks for the token of the text that means most nearly the same (late interaction); the
text as a whole, its most promising sentences read alone, and the words that both share count too.
docs/decisions/0006-reranking.md has the measurements.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from outcrop.engines.chunking.sentences import split_sentences
from outcrop.engines.embedding.embedder import Reader
from outcrop.engines.indexing.terms import STOP_WORDS, query_terms, terms

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from outcrop.engines.embedding import Embedder
    from outcrop.engines.embedding.embedder import Tokens

NAME = "late-interaction"

LONGEST_QUESTION = 2_000
WINDOW = 220
"""Tokens that are read at once; below the model's limit, since a cut text may have more tokens than it had whole."""
WINDOWS = 8
"""Of one text; what is beyond them isn't read."""
SENTENCES = 3
"""Of one text, read again alone."""

_WHOLE, _TOKENS, _SENTENCE, _WORDS = 1.0, 1.5, 1.0, 0.3
_STOP_WORD = 0.3
"""The weight of a stop word's token beside another's."""
_MIDDLE, _STEEPNESS = 0.54, 14.0
"""Of the curve that spreads scores over 0 to 1: half of SciFact's relevant abstracts come out above .85, half of the
irrelevant ones that a search had found below .2."""
_SATURATION, _USUAL_LENGTH = 1.2, 250


class Reranker:
    """Over an embedder that shows its tokens; over another one by whole texts and sentences alone."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    async def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        """0 to 1 for each text; comparable within one call. Deterministic."""
        question = question.strip()[:LONGEST_QUESTION]
        if not texts:
            return []
        read = await asyncio.to_thread(self._windows, texts)
        windows = list(dict.fromkeys(window for of_text in read for window in of_text))
        if isinstance(self._embedder, Reader):
            (asked,) = await self._embedder.tokens([question], "query")
            seen = dict(zip(windows, await self._embedder.tokens(windows), strict=True))
            looks = await asyncio.to_thread(_look, question, asked, seen)
            vector = asked.vector
        else:
            (vector,) = await self._embedder.embed([question], "query")
            rows = await self._embedder.embed(windows)
            looks = {window: _unread(window, row, vector) for window, row in zip(windows, rows, strict=True)}
        promising = [_promising([looks[window] for window in of_text]) for of_text in read]
        sentences = list(dict.fromkeys(sentence for of_text in promising for sentence in of_text))
        alone = dict(zip(sentences, (await self._embedder.embed(sentences)) @ vector, strict=True))
        words = await asyncio.to_thread(_shared_words, question, texts)
        found = []
        for of_text, apart, shared in zip(read, promising, words, strict=True):
            whole, near = _together([looks[window] for window in of_text], vector)
            best = max(float(alone[sentence]) for sentence in apart) if apart else whole
            found.append(_spread(_WHOLE * whole + _TOKENS * near + _SENTENCE * best + _WORDS * shared))
        return found

    def _windows(self, texts: Sequence[str]) -> list[list[str]]:
        return [list(self._cut(text)) for text in texts]

    def _cut(self, text: str) -> Sequence[str]:
        """Windows of about the same size."""
        if len(text) <= 2 * WINDOW:
            return [text]
        spans = self._embedder.token_spans(text[: WINDOWS * WINDOW * 12])[: WINDOWS * WINDOW]
        count = math.ceil(len(spans) / WINDOW)
        cuts = [round(at * len(spans) / count) for at in range(count + 1)] if count else []
        return [text[spans[start][0] : spans[end - 1][1]] for start, end in pairwise(cuts)] or [text]


@dataclass(frozen=True, slots=True)
class _Look:
    """What one window shows."""

    vector: NDArray[np.float32]
    near: NDArray[np.float32]
    """Of each of the question's tokens the best cosine with any of the window's, times the token's weight."""
    sentences: Sequence[tuple[float, str]]
    """Each with what its tokens alone come to, where there is more than one."""


def _together(looks: Sequence[_Look], vector: NDArray[np.float32]) -> tuple[float, float]:
    """Of all windows of one text: the cosine of the whole, and the mean over the question's tokens of the best one."""
    import numpy as np

    mean = np.mean([look.vector for look in looks], axis=0)
    length = float(np.linalg.norm(mean))
    near = float(np.max([look.near for look in looks], axis=0).sum())
    return (float(mean @ vector) / length if length else 0.0), near


def _look(question: str, asked: Tokens, seen: dict[str, Tokens]) -> dict[str, _Look]:
    import numpy as np

    weights = np.array([_weight(question[start:end]) for start, end in asked.spans], np.float32)
    weights /= weights.sum() or 1.0
    return {window: _looked(window, tokens, asked, weights) for window, tokens in seen.items()}


def _looked(window: str, tokens: Tokens, asked: Tokens, weights: NDArray[np.float32]) -> _Look:
    if not len(tokens.spans):
        return _Look(tokens.vector, 0 * weights, ())
    near = (asked.states @ tokens.states.T) * weights[:, None]
    best = near.max(axis=1)
    spans = split_sentences(window)
    if len(spans) < 2:
        return _Look(tokens.vector, best, ())
    ranked = []
    for start, end in spans:
        inside = [at for at, (left, _) in enumerate(tokens.spans) if start <= left < end]
        if inside:
            ranked.append((float(near[:, inside].max(axis=1).sum()), window[start:end]))
    return _Look(tokens.vector, best, ranked)


def _unread(window: str, row: NDArray[np.float32], vector: NDArray[np.float32]) -> _Look:
    """Of an embedder that doesn't show its tokens."""
    whole = row @ vector
    apart = [(float(whole), window[start:end]) for start, end in split_sentences(window)]
    return _Look(row, whole.reshape(1), apart)


def _promising(looks: Sequence[_Look]) -> list[str]:
    ranked = sorted((one for look in looks for one in look.sentences), key=lambda one: -one[0])
    return [sentence for _, sentence in ranked[:SENTENCES]]


def _weight(token: str) -> float:
    return _STOP_WORD if token.lower() in STOP_WORDS or not any(map(str.isalnum, token)) else 1.0


def _shared_words(question: str, texts: Sequence[str]) -> list[float]:
    """0 to 1: the share of the question's words that a text has, the rarer among the texts the weightier."""
    wanted = query_terms(question)
    counted = [Counter(terms(text)) for text in texts]
    spread = {word: sum(word in counts for counts in counted) for word in wanted}
    weight = {word: math.log(1 + (len(texts) - spread[word] + 0.5) / (spread[word] + 0.5)) for word in wanted}
    total = sum(weight.values())
    if not total:
        return [0.0] * len(texts)
    return [sum(weight[word] * _saturated(word, counts) for word in wanted) / total for counts in counted]


def _saturated(word: str, counts: Counter[str]) -> float:
    count, length = counts[word], counts.total()
    return count * (1 + _SATURATION) / (count + _SATURATION * (0.25 + 0.75 * length / _USUAL_LENGTH)) if count else 0.0


def _spread(raw: float) -> float:
    mean = raw / (_WHOLE + _TOKENS + _SENTENCE + _WORDS)
    return 1 / (1 + math.exp(-_STEEPNESS * (mean - _MIDDLE)))
