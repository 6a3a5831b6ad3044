"""An index in a table of vectors that others read and write too."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from outcrop.engines.embedding.dimensions import fit, restore
from outcrop.engines.indexing.filters import AllOf, Compare, Filter
from outcrop.engines.indexing.index import Entry, Hit
from outcrop.engines.indexing.vectors import Match, Record, VectorTable

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Layout:
    """The metadata keys of the table under which an entry's parts stand."""

    text: str
    details: str
    """Holds, as JSON, those of an entry's metadata that begin with `_`."""
    mark: str
    """Every entry has it. Records of others that don't aren't found."""


class TableIndex:
    """`Index` over a table. Vectors are fitted to the table's dimensions; hits have the cosine whatever its metric."""

    def __init__(self, table: VectorTable, dimensions: int, layout: Layout) -> None:
        self._table = table
        self._dimensions = dimensions
        self._layout = layout
        self._words = ""

    def open(self) -> None:
        self._words = self._table.search_aside(self._layout.text, "en")

    def close(self) -> None:
        """The table belongs to whoever opened it."""

    def replace_document(self, document: str, entries: Sequence[Entry]) -> None:
        """Raises ValueError for a vector of the wrong length or with numbers that aren't finite."""
        vectors = np.zeros((len(entries), self._dimensions), np.float32)
        for at, entry in enumerate(entries):
            if np.shape(entry.vector) != (self._dimensions,) or not np.isfinite(entry.vector).all():
                raise ValueError(f"entry {entry.id} needs a vector of {self._dimensions} finite numbers")
            vectors[at] = entry.vector
        fitted = fit(vectors, self._table.dimensions)
        self._table.replace([document], [self._record(entry, one) for entry, one in zip(entries, fitted, strict=True)])

    def entries(self, document: str) -> list[Entry]:
        return [
            Entry(record.key, document, *self._parts(record.metadata), self._restored([record])[0])
            for record in self._table.of(document)
        ]

    def delete_documents(self, documents: Sequence[str]) -> None:
        self._table.replace(documents)

    def search_vector(self, vector: NDArray[np.float32], limit: int, where: Filter | None = None) -> list[Hit]:
        vector = np.asarray(vector, np.float32).reshape(1, -1)
        if vector.shape[1] != self._dimensions:
            raise ValueError(f"the question's vector has {vector.shape[1]} numbers, the index {self._dimensions}")
        if limit <= 0:
            return []
        found = self._table.search(limit, fit(vector, self._table.dimensions)[0], where=self._ours(where))
        return [self._hit(match, self._cosine(match.distance or 0.0)) for match in found]

    def search_text(self, query: str, limit: int, where: Filter | None = None) -> list[Hit]:
        if limit <= 0:
            return []
        found = self._table.search(limit, texts={self._words: query}, where=self._ours(where))
        return [self._hit(match, match.texts[self._words]) for match in found]

    def vectors(self, ids: Sequence[str]) -> NDArray[np.float32]:
        answer = np.zeros((len(ids), self._dimensions), np.float32)
        records = self._table.get(ids)
        known = dict(zip((record.key for record in records), self._restored(records), strict=True))
        for at, one in enumerate(ids):
            if one in known:
                answer[at] = known[one]
        return answer

    def count(self) -> int:
        return self._table.count()

    def _record(self, entry: Entry, vector: NDArray[np.float32]) -> Record:
        seen = {key: value for key, value in entry.metadata.items() if not key.startswith("_")}
        inner = {key: value for key, value in entry.metadata.items() if key.startswith("_")}
        details = json.dumps(inner, ensure_ascii=False, separators=(",", ":"))
        metadata = {**seen, self._layout.text: _storable(entry.text), self._layout.details: _storable(details)}
        return Record(entry.id, vector, metadata, entry.document)

    def _parts(self, metadata: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Text and metadata of an entry."""
        seen = {key: value for key, value in metadata.items() if key not in (self._layout.text, self._layout.details)}
        try:
            inner = json.loads(metadata.get(self._layout.details, ""))
        except (ValueError, TypeError, RecursionError):
            inner = {}
        text = metadata.get(self._layout.text)
        return text if isinstance(text, str) else "", {**seen, **(inner if isinstance(inner, dict) else {})}

    def _hit(self, match: Match, score: float) -> Hit:
        return Hit(match.key, match.document or "", *self._parts(match.metadata), score)

    def _ours(self, where: Filter | None) -> Filter:
        marked = Compare("exists", self._layout.mark, True)
        return marked if where is None else AllOf([marked, where])

    def _cosine(self, distance: float) -> float:
        return 1 - distance if self._table.metric == "cosine" else 1 - distance * distance / 2

    def _restored(self, records: Sequence[Record]) -> NDArray[np.float32]:
        """The records' vectors as the embedder made them. Others' may have any length, as a cosine allows."""
        stored = np.array([record.vector for record in records], np.float32).reshape(-1, self._table.dimensions)
        lengths = np.linalg.norm(stored, axis=1, keepdims=True)
        stored /= np.where(lengths > 0, lengths, 1)
        return restore(stored, self._dimensions)


def _storable(text: str) -> str:
    """The text without lone surrogates, which UTF-8 can't hold."""
    return text.encode("utf-8", "replace").decode("utf-8")
