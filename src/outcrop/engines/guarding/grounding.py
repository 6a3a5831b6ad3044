"""How far an answer is grounded in its sources, and how far it answers its question: scores from 0 to 1."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from outcrop.engines.chunking.sentences import split_sentences
from outcrop.engines.indexing.terms import query_terms, terms

if TYPE_CHECKING:
    from outcrop.engines.embedding import Embedder

_NUMBER = re.compile(r"(?<![\w.])\d+(?:,\d{3})*(?:\.\d+)?")
_NAME = re.compile(r"(?<=[\w,;:’'\")] )[A-Z][\w-]*[a-z]\w*")
_MOST = 400
_FOREIGN, _ELSEWHERE = 0.4, 0.6
"""What is left of the score of a statement whose numbers or names the source doesn't know, or has in other sentences
only than the one that the statement is like."""


async def grounding(embedder: Embedder, answer: str, source: str, question: str = "") -> float:
    """The score of the least grounded statement: one invention is enough to make an answer unreliable."""
    statements = await asyncio.to_thread(_statements, answer)
    passages = await asyncio.to_thread(_statements, source)
    if not statements or not passages:
        return 0.0 if statements else 1.0
    asked = frozenset(terms(question))
    worded = [frozenset(terms(passage)) for passage in passages]
    known = asked.union(*worded)
    meanings = await embedder.embed(passages, "query")
    scores = []
    for statement, vector in zip(statements, await embedder.embed(statements, "query"), strict=True):
        facts = set(terms(" ".join([*_NUMBER.findall(statement), *_NAME.findall(statement)])))
        wanted = query_terms(statement, 200)
        left = 1.0 if facts <= known else _FOREIGN
        scores.append(
            max(
                _either(_covered(wanted, words), float(cosine))
                * (left if left < 1 or facts <= words | asked else _ELSEWHERE)
                for words, cosine in zip(worded, meanings @ vector, strict=True)
            )
        )
    return round(min(scores), 2)


async def relevance(embedder: Embedder, answer: str, question: str) -> float:
    statements = await asyncio.to_thread(_statements, answer)
    if not statements or not question.strip():
        return 0.0
    vectors = await embedder.embed([question, answer[:2000], *statements], "query")
    wanted, words = query_terms(question, 200), frozenset(terms(answer))
    return round(_either(_covered(wanted, words), float((vectors[1:] @ vectors[0]).max())), 2)


def _covered(wanted: Sequence[str], words: Collection[str]) -> float:
    return sum(word in words for word in wanted) / len(wanted) if wanted else 1.0


def _either(covered: float, cosine: float) -> float:
    """Words and meaning each can speak for a statement, more so together; a weak cosine says nothing."""
    meant = min(1.0, max(0.0, (cosine - 0.2) / 0.7))
    return 1.0 - (1.0 - covered**2) * (1.0 - meant)


def _statements(text: str) -> list[str]:
    spans = split_sentences(text) or [(0, len(text))]
    return [part for start, end in spans if any(map(str.isalnum, part := text[start:end].strip()))][:_MOST]
