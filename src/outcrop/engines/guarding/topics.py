"""Whether a text is about a topic that is described by a definition and examples: by the meaning of its sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from outcrop.engines.chunking.sentences import split_sentences

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from outcrop.engines.embedding import Embedder

LIKE_EXAMPLE, LIKE_DEFINITION, LIKE_BOTH = 0.5, 0.44, 0.75
"""Cosines of a sentence with an example or with the definition that are enough, and their sum. With the local embedder,
sentences of other topics stay under 0.42 and 0.72."""
_MOST_SENTENCES = 400


@dataclass(frozen=True, slots=True)
class Topic:
    name: str
    definition: str
    examples: tuple[str, ...] = ()


class Topics:
    def __init__(self, topics: Sequence[Topic]) -> None:
        self._topics = topics
        self._known: tuple[str, list[tuple[NDArray[np.float32], NDArray[np.float32]]]] | None = None

    async def find(self, embedder: Embedder, text: str) -> list[Topic]:
        """The topics that some sentence of the text is about."""
        sentences = _sentences(text)
        if not sentences:
            return []
        meanings = await embedder.embed(sentences, "query")
        return [
            topic
            for topic, (definition, examples) in zip(self._topics, await self._vectors(embedder), strict=True)
            if _is_about(meanings @ definition, meanings @ examples.T)
        ]

    async def _vectors(self, embedder: Embedder) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        if self._known is None or self._known[0] != embedder.name:
            vectors = []
            for topic in self._topics:
                rows = await embedder.embed([f"{topic.name}. {topic.definition}", *topic.examples], "query")
                vectors.append((rows[0], rows[1:]))
            self._known = embedder.name, vectors
        return self._known[1]


def _is_about(defined: NDArray[np.float32], shown: NDArray[np.float32]) -> bool:
    """By the cosines of each sentence with the definition, and with each example."""
    shown = shown.max(axis=1) if shown.shape[1] else defined * 0
    both = defined + shown
    return bool(defined.max() >= LIKE_DEFINITION or shown.max() >= LIKE_EXAMPLE or both.max() >= LIKE_BOTH)


def _sentences(text: str) -> list[str]:
    spans = split_sentences(text)[:_MOST_SENTENCES]
    sentences = [stripped for start, end in spans if any(map(str.isalpha, stripped := text[start:end].strip()))]
    return [*sentences, text[:2000]] if len(sentences) > 1 else sentences
