"""What an answerer makes: a text, and for each part of it the passages that support it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Passage:
    text: str
    score: float
    """Relevance to the question as the retriever saw it: cosine, 0 to 1."""
    document: str = ""
    page: int | None = None
    section: str = ""
    """The headings above it, joined by ` › `, where they are known."""


@dataclass(frozen=True, slots=True)
class Part:
    start: int
    end: int
    """Characters of the answer's text, `end` exclusive. Parts are in order and don't overlap; together with white
    space they cover the text."""
    passages: tuple[int, ...]
    """Indexes of the passages that this part was taken from; never empty."""


@dataclass(frozen=True, slots=True)
class Answer:
    text: str
    parts: Sequence[Part]
