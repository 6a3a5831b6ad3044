"""The words of texts on disk: a number for each term, and for each text its bag of terms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from outcrop.engines.indexing.postings import MOST, Bag, Postings

if TYPE_CHECKING:
    import sqlite3

    from numpy.typing import NDArray

    from outcrop.storage import Database

SCHEMA = """
    CREATE TABLE term (number INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
    CREATE TABLE bag (
        field INTEGER NOT NULL,
        slot INTEGER NOT NULL,
        length INTEGER NOT NULL,
        terms BLOB NOT NULL,
        PRIMARY KEY (field, slot)
    );
"""

_REMEMBERED = 1 << 17
_BLOCK = 4096
_LAST = "\U0010ffff"


class Lexicon:
    """The tables of `SCHEMA` in one file. A text is named by its slot, and by a field where a row has several."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def add(self, connection: sqlite3.Connection, field: int, texts: Sequence[tuple[int, list[str]]]) -> list[Bag]:
        """Write the bags of texts given as (slot, terms), within a transaction."""
        counted = [Counter(terms) for _, terms in texts]
        numbers = self._numbered(connection, {term: None for counts in counted for term in counts})
        bags = [_bag(counts, numbers) for counts in counted]
        connection.executemany(
            "INSERT OR REPLACE INTO bag VALUES (?,?,?,?)",
            [(field, slot, bag.length, _pack(bag)) for (slot, _), bag in zip(texts, bags, strict=True)],
        )
        return bags

    def remove(self, connection: sqlite3.Connection, field: int, slots: Iterable[int]) -> None:
        connection.executemany("DELETE FROM bag WHERE field=? AND slot=?", [(field, slot) for slot in slots])

    def clear(self, connection: sqlite3.Connection, field: int) -> None:
        connection.execute("DELETE FROM bag WHERE field=?", (field,))

    def postings(
        self, database: Database, field: int, slots: NDArray[np.int64], known: tuple[NDArray[np.int64], Postings] | None
    ) -> Postings:
        """The bags of a field as postings, a row for each of these slots (ascending), empty where there is no bag.
        `known` are postings of an earlier time, with the slots of their rows: they save reading those bags."""
        postings, last = Postings(), 0
        if known is not None and len(known[0]):
            last = int(known[0][-1])
            stays = np.isin(known[0], slots, assume_unique=True)
            if int(np.count_nonzero(stays)) == int(np.searchsorted(slots, last, side="right")):
                postings = known[1]
                if not stays.all():
                    postings.keep(stays)
            else:
                last = 0
        for block in self._bags(database, field, last):
            bags = dict(block)
            until = int(np.searchsorted(slots, block[-1][0], side="right"))
            postings.extend([bags.get(slot, EMPTY) for slot in slots[postings.size : until].tolist()])
        postings.extend([EMPTY] * (len(slots) - postings.size))
        return postings

    def forget(self) -> None:
        """Numbers given in a transaction that was rolled back don't hold."""
        self._numbers.clear()

    def _bags(self, database: Database, field: int, last: int) -> Iterator[list[tuple[int, Bag]]]:
        """The bags of a field with their slots, ascending, in blocks; those behind the slot `last`."""
        while rows := database.read(
            "SELECT slot, length, terms FROM bag WHERE field=? AND slot>? ORDER BY slot LIMIT ?", (field, last, _BLOCK)
        ):
            last = rows[-1]["slot"]
            yield [(row["slot"], _unpack(row["length"], row["terms"])) for row in rows]

    def find(self, database: Database, wanted: Sequence[str]) -> list[list[int]]:
        """The numbers of each wanted term that exists. A lone character of a script without spaces stands for every
        pair that it begins."""
        found = []
        for term in wanted:
            if len(term) == 1 and not term.isascii():
                rows = database.read("SELECT number FROM term WHERE text>=? AND text<=?", (term, term + _LAST))
            else:
                rows = database.read("SELECT number FROM term WHERE text=?", (term,))
            if rows:
                found.append([row["number"] for row in rows])
        return found

    def _numbered(self, connection: sqlite3.Connection, terms: dict[str, None]) -> dict[str, int]:
        if len(self._numbers) > _REMEMBERED:
            self._numbers.clear()
        known = self._numbers
        for term in terms:
            if term not in known:
                row = connection.execute("SELECT number FROM term WHERE text=?", (term,)).fetchone()
                if row is None:
                    sql = "INSERT INTO term (text) VALUES (?) RETURNING number"
                    row = connection.execute(sql, (term,)).fetchone()
                known[term] = row[0]
        return known


EMPTY = Bag(np.zeros(0, np.int32), np.zeros(0, np.uint8), 0)


def _bag(counts: Counter[str], numbers: dict[str, int]) -> Bag:
    terms = np.fromiter(map(numbers.__getitem__, counts), np.int32, len(counts))
    often = np.fromiter(counts.values(), np.int64, len(counts))
    order = np.argsort(terms)
    return Bag(terms[order], np.minimum(often[order], MOST).astype(np.uint8), counts.total())


def _pack(bag: Bag) -> bytes:
    return bag.terms.astype("<i4").tobytes() + bag.counts.tobytes()


def _unpack(length: int, packed: bytes) -> Bag:
    size = len(packed) // 5
    return Bag(np.frombuffer(packed, "<i4", size), np.frombuffer(packed, np.uint8, size, 4 * size), length)
