"""Vectors in memory: one contiguous float32 matrix that grows at its end and marks what was deleted."""

from __future__ import annotations

import os
import threading
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from outcrop.engines.indexing.ranking import best_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_COMPACT_FROM = 1024
_WORTH_A_THREAD = 20_000
"""Rows of which the scalar products take a millisecond or two."""


class Matrix:
    """Rows of vectors by slot, an ever-growing number that names a row. Not threadsafe: the index locks."""

    def __init__(self, dimensions: int, capacity: int = 0) -> None:
        self._vectors: NDArray[np.float32] = np.empty((capacity, dimensions), np.float32)
        self._slots: NDArray[np.int64] = np.empty(capacity, np.int64)
        self._alive: NDArray[np.bool_] = np.zeros(capacity, np.bool_)
        self.size = 0
        """Rows, deleted ones included."""
        self.deleted = 0

    @property
    def slots(self) -> NDArray[np.int64]:
        """Ascending; the slot of every row."""
        return self._slots[: self.size]

    @property
    def alive(self) -> NDArray[np.bool_]:
        return self._alive[: self.size]

    def append(self, slots: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Add rows; their slots are higher than all before."""
        size = self.size + len(slots)
        if size > len(self._slots):
            self._grow(max(size, len(self._slots) * 3 // 2, 256))
        self._vectors[self.size : size] = vectors
        self._slots[self.size : size] = slots
        self._alive[self.size : size] = True
        self.size = size

    def delete(self, slots: NDArray[np.int64]) -> None:
        rows = self.rows(slots)
        rows = rows[rows >= 0]
        self.deleted += int(self._alive[rows].sum())
        self._alive[rows] = False

    def rows(self, slots: NDArray[np.int64]) -> NDArray[np.intp]:
        """The row of each slot, -1 where there is none."""
        if not self.size:
            return np.full(len(slots), -1, np.intp)
        rows = np.searchsorted(self.slots, slots)
        rows[rows == self.size] = 0
        return np.where(self.slots[rows] == slots, rows, -1)

    def best(
        self,
        vector: NDArray[np.float32],
        limit: int,
        passing: NDArray[np.bool_] | None,
        score: Callable[[NDArray[np.float32], NDArray[np.float32]], NDArray[Any]] | None = None,
    ) -> list[tuple[int, float]]:
        """(slot, score) of the best `limit` rows among those that pass, best first; ties go to the older. `score`
        rates rows against the vector, higher is better: the scalar product unless another is given, which is the
        cosine of vectors of length 1."""
        score = score or dots
        allowed = self.alive if passing is None else self.alive & passing
        count = int(np.count_nonzero(allowed))
        if not count or limit <= 0:
            return []
        if count * 4 < self.size:
            rows = np.flatnonzero(allowed)
            scores = score(self._vectors[rows], vector)
        else:
            rows = None
            scores = score(self._vectors[: self.size], vector)
            if count < self.size:
                scores[~allowed] = -np.inf
        order = best_rows(scores, min(limit, count))
        slots = self.slots[order if rows is None else rows[order]]
        return [(int(slot), float(score)) for slot, score in zip(slots, scores[order], strict=True)]

    @property
    def sparse(self) -> bool:
        """Whether a third of the rows are deleted, so that `compact` pays."""
        return self.deleted > _COMPACT_FROM and self.deleted * 3 > self.size

    def compact(self) -> NDArray[np.bool_]:
        """Drop the deleted rows. Answers which of the old rows stayed."""
        kept = self.alive.copy()
        self._vectors = self._vectors[: self.size][kept]
        self._slots = self.slots[kept]
        self.size = len(self._slots)
        self._alive = np.ones(self.size, np.bool_)
        self.deleted = 0
        return kept

    def _grow(self, capacity: int) -> None:
        vectors = np.empty((capacity, self._vectors.shape[1]), np.float32)
        slots = np.empty(capacity, np.int64)
        alive = np.zeros(capacity, np.bool_)
        vectors[: self.size] = self._vectors[: self.size]
        slots[: self.size] = self.slots
        alive[: self.size] = self.alive
        self._vectors, self._slots, self._alive = vectors, slots, alive


def dots(vectors: NDArray[np.float32], vector: NDArray[np.float32]) -> NDArray[np.float32]:
    """The scalar product of each row. BLAS would be as fast alone, but waits long for its own threads where others
    use the processors too."""
    scores = np.empty(len(vectors), np.float32)
    parts = max(1, min(os.cpu_count() or 1, len(vectors) // _WORTH_A_THREAD))
    edges = [len(vectors) * part // parts for part in range(parts + 1)]

    def fill(first: int, last: int) -> None:
        np.vecdot(vectors[first:last], vector, out=scores[first:last])

    threads = [threading.Thread(target=fill, args=pair) for pair in pairwise(edges[1:])]
    for thread in threads:
        thread.start()
    fill(0, edges[1])
    for thread in threads:
        thread.join()
    return scores
