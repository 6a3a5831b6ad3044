"""The contract of an embedder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Purpose = Literal["document", "query"]


@dataclass(frozen=True, slots=True)
class Tokens:
    """A text as a model reads it, up to the model's limit."""

    vector: NDArray[np.float32]
    """Of the whole, as `embed` makes it."""
    states: NDArray[np.float32]
    """Of each token in its context, shape (tokens, dimensions), each of length 1; without special tokens."""
    spans: Sequence[tuple[int, int]]
    """Where each token stands in the text."""


@runtime_checkable
class Reader(Protocol):
    """What some embedders can do besides: show each token in its context."""

    async def tokens(self, texts: Sequence[str], purpose: Purpose = "document") -> list[Tokens]: ...


class Embedder(Protocol):
    """Turns texts into unit vectors. The constructor is light; `open()` loads the weights, `aclose()` lets go."""

    name: str
    """Stored with an index: vectors of different names don't compare."""
    dimensions: int

    async def open(self) -> None: ...

    async def aclose(self) -> None: ...

    async def embed(self, texts: Sequence[str], purpose: Purpose = "document") -> NDArray[np.float32]:
        """One row per text, shape (len(texts), dimensions), each of length 1. Long texts are cut at the model's
        limit. Runs off the event loop; callers may overlap."""
        ...

    def count_tokens(self, text: str) -> int:
        """Tokens of this text by the model's own tokenizer, uncut and without special tokens."""
        ...

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        """Character offsets (start, end) of every token, uncut and without special tokens; for chunking."""
        ...
