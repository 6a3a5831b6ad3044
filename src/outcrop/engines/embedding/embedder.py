"""The contract of an embedder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Purpose = Literal["document", "query"]


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
