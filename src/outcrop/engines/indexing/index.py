"""The contract of an index: chunks with vectors and text, searched by either, filtered by metadata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from outcrop.engines.indexing.filters import Filter


@dataclass(frozen=True, slots=True)
class Entry:
    """One chunk to be indexed."""

    id: str
    """Unique in the index; the same id again replaces."""
    document: str
    """The document it comes from, such as an S3 URI; `delete_documents` takes these."""
    text: str
    metadata: Mapping[str, Any]
    """What filters see and results carry: strings, numbers, booleans, lists of strings."""
    vector: NDArray[np.float32]
    """Shape (dimensions,), length 1."""


@dataclass(frozen=True, slots=True)
class Hit:
    id: str
    document: str
    text: str
    metadata: Mapping[str, Any]
    score: float
    """Cosine of the vectors, or BM25; higher is better. Comparable only within one search."""


class Index(Protocol):
    """Threadsafe, synchronous (callers on the event loop use `asyncio.to_thread` for what takes long); every write
    is durable when it returns."""

    def open(self) -> None: ...

    def close(self) -> None: ...

    def replace_document(self, document: str, entries: Sequence[Entry]) -> None:
        """Put these entries in place of all that the document had, in one transaction."""
        ...

    def entries(self, document: str) -> list[Entry]:
        """What the document has, in the order in which it came."""
        ...

    def delete_documents(self, documents: Sequence[str]) -> None: ...

    def search_vector(self, vector: NDArray[np.float32], limit: int, where: Filter | None = None) -> list[Hit]: ...

    def search_text(self, query: str, limit: int, where: Filter | None = None) -> list[Hit]: ...

    def vectors(self, ids: Sequence[str]) -> NDArray[np.float32]:
        """The stored vectors of these entries, shape (len(ids), dimensions); zeros for an unknown id."""
        ...

    def count(self) -> int: ...
