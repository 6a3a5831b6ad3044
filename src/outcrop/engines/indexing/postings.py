"""Which rows hold a term and how often, in memory: BM25 over all rows in a few passes of numpy.

Rows are appended, so postings come in segments, each sorted by term. Small segments are merged, which keeps their
number logarithmic and makes every posting move rarely.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

K1 = 1.2
B = 0.75
MOST = 255
"""A term that a text holds more often counts as this often."""

_LARGEST = 1 << 24
"""Postings of a segment; bounds what a merge holds in memory at once."""
_LEAST_IDF = 1e-6


@dataclass(frozen=True, slots=True)
class Bag:
    """The terms of one text."""

    terms: NDArray[np.int32]
    """Distinct, ascending."""
    counts: NDArray[np.uint8]
    length: int
    """Terms of the text, repetitions included."""


class Postings:
    """The bags of rows 0, 1, 2, …, which are only ever appended, or thinned out by `keep`. Not threadsafe."""

    def __init__(self) -> None:
        self._segments: list[_Segment] = []
        self._pending: list[_Unsorted] = []
        self._pending_size = 0
        self._lengths: NDArray[np.int32] = np.zeros(0, np.int32)
        self.size = 0
        """Rows."""

    def extend(self, bags: Sequence[Bag]) -> None:
        """Append a row for each bag."""
        if not bags:
            return
        first, self.size = self.size, self.size + len(bags)
        if self.size > len(self._lengths):
            grown = np.zeros(max(self.size, 2 * len(self._lengths), 1024), np.int32)
            grown[:first] = self._lengths[:first]
            self._lengths = grown
        self._lengths[first : self.size] = [bag.length for bag in bags]
        sizes = [len(bag.terms) for bag in bags]
        rows = np.repeat(np.arange(first, self.size, dtype=np.int32), sizes)
        terms, counts = np.concatenate([bag.terms for bag in bags]), np.concatenate([bag.counts for bag in bags])
        self._pending.append(_Unsorted(terms, rows, counts))
        self._pending_size += len(rows)
        if self._pending_size > _LARGEST:
            self._sort()

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """All of it, to be stored; `of_arrays` makes the same again."""
        self._sort()
        found: dict[str, NDArray[Any]] = {"lengths": self._lengths[: self.size]}
        for number, segment in enumerate(self._segments):
            for name in ("terms", "starts", "rows", "counts"):
                found[f"{name}{number}"] = getattr(segment, name)
        return found

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Postings:
        """Raises KeyError, ValueError if these aren't the arrays of postings."""
        postings = cls()
        postings._lengths = arrays["lengths"].astype(np.int32)
        postings.size = len(postings._lengths)
        number = 0
        while f"rows{number}" in arrays:
            terms, starts, rows, counts = (arrays[f"{name}{number}"] for name in ("terms", "starts", "rows", "counts"))
            if len(starts) != len(terms) + 1 or int(starts[-1]) != len(rows) or len(rows) != len(counts):
                raise ValueError("the parts of a segment don't fit each other")
            if len(rows) and not 0 <= int(rows.min()) <= int(rows.max()) < postings.size:
                raise ValueError("a segment names rows that don't exist")
            postings._segments.append(_Segment(terms, starts, rows, counts))
            number += 1
        return postings

    def keep(self, rows: NDArray[np.bool_]) -> None:
        """Drop the other rows; those kept move together."""
        self._sort()
        moved = np.cumsum(rows, dtype=np.int32) - 1
        self._segments = [segment.kept(rows, moved) for segment in self._segments]
        self._lengths = self._lengths[: self.size][rows]
        self.size = len(self._lengths)

    def scores(self, wanted: Sequence[Sequence[int]], alive: NDArray[np.bool_] | None) -> NDArray[np.float32]:
        """BM25 of every row. Each of `wanted` is the numbers of terms that count as one. `alive` tells which rows
        exist at all (None: all); the scores of others mean nothing."""
        self._sort()
        scores = np.zeros(self.size, np.float32)
        lengths = self._lengths[: self.size]
        living = self.size if alive is None else int(np.count_nonzero(alive))
        if not living:
            return scores
        total = int(lengths.sum() if alive is None else lengths[alive].sum())
        damping = lengths * np.float32(K1 * B * living / max(total, 1)) + np.float32(K1 * (1 - B))
        for numbers in wanted:
            found = self._of(numbers)
            having = sum(len(rows) if alive is None else int(np.count_nonzero(alive[rows])) for rows, _ in found)
            if not having:
                continue
            idf = max(math.log((living - having + 0.5) / (having + 0.5)), _LEAST_IDF)
            for rows, counts in found:
                weight = counts.astype(np.float32)
                below = damping[rows]
                below += weight
                weight *= np.float32(idf * (K1 + 1))
                weight /= below
                scores[rows] += weight
        return scores

    def _of(self, numbers: Sequence[int]) -> list[tuple[NDArray[np.int32], NDArray[np.uint8]]]:
        """Rows and counts, no row twice."""
        found = [part for segment in self._segments for number in numbers if len((part := segment.of(number))[0])]
        if len(numbers) < 2 or len(found) < 2:
            return found
        rows, place = np.unique(np.concatenate([part[0] for part in found]), return_inverse=True)
        counts = np.bincount(place, np.concatenate([part[1] for part in found]))
        return [(rows, np.minimum(counts, MOST).astype(np.uint8))]

    def _sort(self) -> None:
        """Make a segment of what is pending, and merge segments until each is twice as large as the next."""
        if not self._pending:
            return
        self._segments.append(_Segment.of_all(self._pending))
        self._pending, self._pending_size = [], 0
        while len(self._segments) > 1:
            before, last = self._segments[-2:]
            if before.size > 2 * last.size or before.size + last.size > _LARGEST:
                break
            self._segments[-2:] = [_Segment.of_all([before.unsorted(), last.unsorted()])]


@dataclass(frozen=True, slots=True)
class _Unsorted:
    """Postings in order of rows."""

    terms: NDArray[np.int32]
    rows: NDArray[np.int32]
    counts: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class _Segment:
    """Postings in order of terms and, within a term, of rows."""

    terms: NDArray[np.int32]
    """Distinct, ascending."""
    starts: NDArray[np.int64]
    """Where each term's postings start; one more for the end."""
    rows: NDArray[np.int32]
    counts: NDArray[np.uint8]

    @property
    def size(self) -> int:
        return len(self.rows)

    @classmethod
    def of_all(cls, parts: Sequence[_Unsorted]) -> _Segment:
        terms = np.concatenate([part.terms for part in parts])
        order = _order(terms)
        rows = np.concatenate([part.rows for part in parts])[order]
        counts = np.concatenate([part.counts for part in parts])[order]
        return cls._of_sorted(terms[order], rows, counts)

    @classmethod
    def _of_sorted(cls, terms: NDArray[np.int32], rows: NDArray[np.int32], counts: NDArray[np.uint8]) -> _Segment:
        starts = np.flatnonzero(np.diff(terms, prepend=terms[:1] - 1)) if len(terms) else np.zeros(0, np.int64)
        return cls(terms[starts], np.append(starts, len(terms)), rows, counts)

    def unsorted(self) -> _Unsorted:
        return _Unsorted(np.repeat(self.terms, np.diff(self.starts)), self.rows, self.counts)

    def of(self, term: int) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
        at = int(np.searchsorted(self.terms, term))
        if at == len(self.terms) or self.terms[at] != term:
            return self.rows[:0], self.counts[:0]
        here = slice(self.starts[at], self.starts[at + 1])
        return self.rows[here], self.counts[here]

    def kept(self, rows: NDArray[np.bool_], moved: NDArray[np.int32]) -> _Segment:
        stays = rows[self.rows]
        terms = np.repeat(self.terms, np.diff(self.starts))[stays]
        return self._of_sorted(terms, moved[self.rows[stays]], self.counts[stays])


def _order(terms: NDArray[np.int32]) -> NDArray[np.intp]:
    """What sorts the terms, stably: two passes over sixteen bits each, which numpy sorts by counting."""
    order = np.argsort((terms & 0xFFFF).astype(np.uint16), kind="stable")
    high = (terms >> 16).astype(np.uint16)
    return order[np.argsort(high[order], kind="stable")] if high.any() else order
