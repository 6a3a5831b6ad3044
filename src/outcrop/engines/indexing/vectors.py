"""A table of keyed vectors with metadata: one SQLite file, searched exactly in memory, and by BM25 in the metadata
that is declared to be text. One process owns a file."""

from __future__ import annotations

import json
import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from outcrop.engines.indexing import terms
from outcrop.engines.indexing.columns import Column, passing
from outcrop.engines.indexing.filters import MISSING, Filter
from outcrop.engines.indexing.lexicon import SCHEMA as LEXICON
from outcrop.engines.indexing.lexicon import Lexicon
from outcrop.engines.indexing.matrix import Matrix
from outcrop.engines.indexing.postings import Bag, Postings
from outcrop.engines.indexing.ranking import best_rows
from outcrop.engines.indexing.tables import Closed
from outcrop.storage import Database, Row

if TYPE_CHECKING:
    import sqlite3

    from numpy.typing import NDArray

Metric = Literal["cosine", "euclidean"]

SCHEMA = [
    """
    CREATE TABLE record (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        key TEXT NOT NULL UNIQUE,
        slot INTEGER NOT NULL UNIQUE,
        hash INTEGER NOT NULL,
        metadata TEXT NOT NULL,
        vector BLOB NOT NULL
    );
    CREATE TABLE field (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE,
        language TEXT NOT NULL,
        terms INTEGER NOT NULL
    );
    """,
    LEXICON,
    """
    ALTER TABLE record ADD COLUMN document TEXT;
    CREATE INDEX record_by_document ON record (document) WHERE document IS NOT NULL;
    """,
]

FUSION = 60
"""The constant of Reciprocal Rank Fusion: a rank r is worth 1 / (60 + r)."""
DEPTH = 1000
"""How far down each ranking a fusion looks, at least."""

_BLOCK = 4096
_ASIDE = "\0"
"""Begins the names of fields that `search_aside` added; no metadata key begins so."""


@dataclass(frozen=True, slots=True)
class Record:
    key: str
    """Unique in the table; the same key again replaces."""
    vector: NDArray[np.float32]
    """Shape (dimensions,), of any length but 0 where the metric is cosine."""
    metadata: Mapping[str, Any]
    """Strings, numbers, booleans, lists of strings or numbers."""
    document: str | None = None
    """What `replace` names, for records that belong to something."""


@dataclass(frozen=True, slots=True)
class Match:
    key: str
    metadata: Mapping[str, Any]
    document: str | None = None
    distance: float | None = None
    """From the question's vector: 1 - cosine, or the euclidean distance; None if it isn't among the nearest."""
    texts: Mapping[str, float] = field(default_factory=dict)
    """BM25 by the field that matched."""
    fused: float | None = None
    """What Reciprocal Rank Fusion makes of the ranks, where a vector and texts were asked for."""


@dataclass(frozen=True, slots=True)
class Page:
    records: Sequence[Record]
    last: int
    """The position behind which the next page starts."""
    more: bool


class VectorTable:
    """Threadsafe and synchronous; every write is durable when it returns. The vectors (4 bytes a number) are read into
    memory by the first search, postings by the first that needs them, and kept in step from then on.

    `fields` maps the metadata keys that text search looks into to the language of their texts: `en` stems words,
    every other (and "") leaves them whole.
    """

    def __init__(self, path: Path, dimensions: int, metric: Metric, fields: Mapping[str, str]) -> None:
        self.dimensions = dimensions
        self.metric = metric
        self._wanted = dict(fields)
        self._db = Database(path)
        self._db.migrate(SCHEMA)
        self._lock = threading.RLock()
        self._closed = False
        self._fields: dict[str, _Field] | None = None
        self._lexicon = Lexicon()
        self._matrix: Matrix | None = None
        self._postings: dict[str, Postings] = {}
        self._columns: dict[str, Column] = {}
        self._slot = 0

    def put(self, records: Sequence[Record]) -> None:
        """Add or replace records, all or none. Of records with the same key the last one stays."""
        self._exchange([], [], records)

    def delete(self, keys: Sequence[str]) -> None:
        """Keys that aren't there are passed over."""
        self._exchange(keys, [], [])

    def replace(self, documents: Sequence[str], records: Sequence[Record] = ()) -> None:
        """Put these records in place of all that the documents have, in one transaction."""
        self._exchange([], documents, records)

    def of(self, document: str) -> list[Record]:
        """What a document has, in the order in which the keys first came."""
        with self._lock:
            self._ready()
            rows = self._db.read("SELECT * FROM record WHERE document = ? ORDER BY id", (document,))
        return [_record(row) for row in rows]

    def get(self, keys: Sequence[str]) -> list[Record]:
        """The records of these keys in their order, without those that don't exist."""
        with self._lock:
            self._ready()
            rows = [self._db.read_one("SELECT * FROM record WHERE key = ?", (key,)) for key in dict.fromkeys(keys)]
        return [_record(row) for row in rows if row]

    def scan(self, after: int, limit: int, segment: int = 0, segments: int = 1, size: int = 1 << 20) -> Page:
        """Records in the order in which their keys first came, behind the position `after` (0: from the start). A
        page ends after `limit` records or `size` bytes. `segments` part the table by key."""
        found: list[Record] = []
        last = after
        with self._lock:
            self._ready()
            rows = self._db.read(
                "SELECT * FROM record WHERE id > ? AND hash % ? = ? ORDER BY id LIMIT ?",
                (after, segments, segment, limit + 1),
            )
        for row in rows:
            if len(found) == limit or size <= 0:
                break
            found.append(_record(row))
            last = row["id"]
            size -= len(row["key"]) + len(row["vector"]) + len(row["metadata"])
        return Page(found, last, len(found) < len(rows))

    def search(
        self,
        limit: int,
        vector: NDArray[np.float32] | None = None,
        texts: Mapping[str, str] | None = None,
        where: Filter | None = None,
    ) -> list[Match]:
        """The best `limit` records that pass the filter: by distance, by the sum of BM25 over the asked fields, or,
        given both, by fusing all rankings. Raises KeyError for a field that isn't declared."""
        with self._lock:
            fields = self._ready()
            allowed = None if where is None else passing(where, self._column, self._loaded().size)
            texts = texts or {}
            depth = limit if len(texts) + (vector is not None) < 2 else max(limit, DEPTH)
            # A sum over fields may lift what is low in each of them.
            within = self._loaded().size if vector is None and len(texts) > 1 else depth
            bm25 = {name: self._by_text(fields[name], text, within, allowed) for name, text in texts.items()}
            distances = {} if vector is None else self._nearest(vector, depth, allowed)
            fused: dict[int, float] = {}
            if vector is None:
                order = _summed(bm25)
            elif not bm25:
                order = list(distances)
            else:
                fused = _fuse([list(distances), *map(list, bm25.values())])
                order = sorted(fused, key=lambda slot: -fused[slot])
            rows = [(slot, self._row(slot)) for slot in order[:limit]]
        return [
            Match(
                row["key"],
                json.loads(row["metadata"]),
                row["document"],
                distances.get(slot),
                {name: scores[slot] for name, scores in bm25.items() if slot in scores},
                fused.get(slot),
            )
            for slot, row in rows
        ]

    def declare(self, fields: Mapping[str, str]) -> None:
        """Make these the fields of text search; what the table has already is indexed before this returns."""
        with self._lock:
            self._wanted = dict(fields)
            self._fields = None
            self._ready()

    def search_aside(self, key: str, language: str) -> str:
        """Let a metadata key be searched by text beside the fields that are declared, from now on. Answers the name
        that `search` takes for it."""
        name = _ASIDE + key
        with self._lock:
            if name not in self._ready():
                self._wanted[name] = language
                self._fields = None
                self._ready()
        return name

    def count(self) -> int:
        with self._lock:
            self._ready()
            if self._matrix is not None:
                return self._matrix.size - self._matrix.deleted
            row = self._db.read_one("SELECT count(*) AS records FROM record")
        return row["records"] if row else 0

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._matrix = None
            self._postings = {}
            self._columns = {}
            self._db.close()

    def _ready(self) -> dict[str, _Field]:
        """The fields, after their indexes were brought in line with what is wanted."""
        if self._closed:
            raise Closed
        if self._fields is None:
            with self._transaction() as connection:
                self._fields = _reconcile(connection, self._lexicon, self._wanted)
                self._slot = connection.execute("SELECT coalesce(max(slot), 0) FROM record").fetchone()[0]
            self._matrix = None
            self._postings = {}
            self._columns = {}
        return self._fields

    def _nearest(self, vector: NDArray[np.float32], limit: int, allowed: NDArray[np.bool_] | None) -> dict[int, float]:
        """Distances by slot, nearest first."""
        if self.metric == "cosine":
            best = self._loaded().best(_units(vector[np.newaxis])[0], limit, allowed)
            return {slot: min(max(_single(1 - score), 0.0), 2.0) for slot, score in best}
        best = self._loaded().best(vector, limit, allowed, _closeness)
        return {slot: _single(-score) for slot, score in best}

    def _by_text(
        self, text_field: _Field, text: str, limit: int, allowed: NDArray[np.bool_] | None
    ) -> dict[int, float]:
        """BM25 by slot, best first."""
        wanted = text_field.question(text)
        if not wanted:
            return {}
        matrix = self._loaded()
        alive = matrix.alive if matrix.deleted else None
        scores = self._worded(text_field).scores(self._lexicon.find(self._db, wanted), alive)
        for mask in (alive, allowed):
            if mask is not None:
                scores *= mask
        rows = best_rows(scores, limit)
        rows = rows[scores[rows] > 0]
        return dict(zip(matrix.slots[rows].tolist(), scores[rows].tolist(), strict=True))

    def _worded(self, text_field: _Field) -> Postings:
        postings = self._postings.get(text_field.name)
        if postings is None:
            postings = self._lexicon.postings(self._db, text_field.number, self._loaded().slots, None)
            self._postings[text_field.name] = postings
        return postings

    def _loaded(self) -> Matrix:
        if self._matrix is None:
            count = self.count()
            matrix = Matrix(self.dimensions, count + count // 8)
            last = 0
            while rows := self._db.read(
                "SELECT slot, vector FROM record WHERE slot > ? ORDER BY slot LIMIT ?", (last, _BLOCK)
            ):
                last = rows[-1]["slot"]
                blob = b"".join(row["vector"] for row in rows)
                vectors = np.frombuffer(blob, "<f4").reshape(len(rows), self.dimensions)
                matrix.append(
                    np.fromiter((row["slot"] for row in rows), np.int64, len(rows)), self._comparable(vectors)
                )
            self._matrix = matrix
        return self._matrix

    def _comparable(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        return _units(vectors) if self.metric == "cosine" else vectors

    def _column(self, key: str) -> Column:
        column = self._columns.get(key)
        if column is None:
            matrix = self._loaded()
            values: list[Any] = [MISSING] * matrix.size
            stored = self._db.read("SELECT slot, metadata FROM record")
            rows = matrix.rows(np.fromiter((row["slot"] for row in stored), np.int64, len(stored)))
            for position, row in zip(rows, stored, strict=True):
                values[position] = json.loads(row["metadata"]).get(key, MISSING)
            column = self._columns[key] = Column(values)
        return column

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._db.transaction() as connection:
                yield connection
        except BaseException:
            self._lexicon.forget()
            raise

    def _exchange(self, keys: Sequence[str], documents: Sequence[str], records: Sequence[Record]) -> None:
        """Delete by key and by document, and put records, in one transaction; then bring memory up to it."""
        records = list({record.key: record for record in records}.values())
        put = {record.key for record in records}
        with self._lock:
            fields = self._ready()
            slots = range(self._slot + 1, self._slot + 1 + len(records))
            with self._transaction() as connection:
                found = {**_of_documents(connection, documents), **_of_keys(connection, [*keys, *put])}
                gone = list(found.values())
                connection.executemany("DELETE FROM record WHERE key = ?", [(key,) for key in found.keys() - put])
                for slot, record in zip(slots, records, strict=True):
                    _insert(connection, slot, record)
                bags = {}
                for name, each in fields.items():
                    self._lexicon.remove(connection, each.number, gone)
                    texts = [(slot, each.terms(record.metadata)) for slot, record in zip(slots, records, strict=True)]
                    bags[name] = self._lexicon.add(connection, each.number, texts)
            self._slot += len(records)
            self._follow(gone, slots, records, bags)

    def _follow(
        self,
        gone: Sequence[int],
        slots: Sequence[int],
        records: Sequence[Record],
        bags: Mapping[str, Sequence[Bag]],
    ) -> None:
        """Bring what is in memory up to what was just committed."""
        matrix = self._matrix
        if matrix is None:
            return
        matrix.delete(np.array(gone, np.int64))
        if records:
            vectors = np.stack([record.vector for record in records])
            matrix.append(np.array(slots, np.int64), self._comparable(vectors))
        for key, column in self._columns.items():
            column.extend(record.metadata.get(key, MISSING) for record in records)
        for name, postings in self._postings.items():
            postings.extend(bags.get(name, ()))
        if matrix.sparse:
            kept = matrix.compact()
            for column in self._columns.values():
                column.keep(kept)
            for postings in self._postings.values():
                postings.keep(kept)

    def _row(self, slot: int) -> Row:
        row = self._db.read_one("SELECT key, metadata, document FROM record WHERE slot = ?", (slot,))
        assert row is not None, "a search found a record that isn't there"
        return row


@dataclass(frozen=True, slots=True)
class _Field:
    """A metadata key with a text index of its own."""

    name: str
    number: int
    language: str

    def terms(self, metadata: Mapping[str, Any]) -> list[str]:
        """Those of the key's text, or of its list of texts."""
        value = metadata.get(self.name.removeprefix(_ASIDE))
        texts = value if isinstance(value, list | tuple) else [value]
        text = "\n".join(one for one in texts if isinstance(one, str))
        return terms.terms(text, stemmed=self.language == "en")

    def question(self, text: str) -> list[str]:
        if self.language == "en":
            return terms.query_terms(text)
        return list(dict.fromkeys(terms.terms(text, stemmed=False)))


def _reconcile(connection: sqlite3.Connection, lexicon: Lexicon, wanted: Mapping[str, str]) -> dict[str, _Field]:
    """Drop the words of fields that aren't wanted any more, take in those of new ones."""
    found: dict[str, _Field] = {}
    stored = connection.execute("SELECT * FROM field").fetchall()
    wanted = {**{name: language for _, name, language, _ in stored if name.startswith(_ASIDE)}, **wanted}
    for number, name, language, version in stored:
        if wanted.get(name) == language and version == terms.VERSION:
            found[name] = _Field(name, number, language)
        else:
            lexicon.clear(connection, number)
            connection.execute("DELETE FROM field WHERE number = ?", (number,))
    for name in wanted.keys() - found.keys():
        number = connection.execute(
            "INSERT INTO field (name, language, terms) VALUES (?, ?, ?)", (name, wanted[name], terms.VERSION)
        ).lastrowid
        assert number is not None
        added = found[name] = _Field(name, number, wanted[name])
        rows = connection.execute("SELECT slot, metadata FROM record")
        while block := rows.fetchmany(_BLOCK):
            lexicon.add(connection, number, [(slot, added.terms(json.loads(text))) for slot, text in block])
    return found


def _of_keys(connection: sqlite3.Connection, keys: Sequence[str]) -> dict[str, int]:
    """Slots by key, of those that exist."""
    rows = (connection.execute("SELECT key, slot FROM record WHERE key = ?", (key,)).fetchone() for key in keys)
    return {row["key"]: row["slot"] for row in rows if row}


def _of_documents(connection: sqlite3.Connection, documents: Sequence[str]) -> dict[str, int]:
    return {
        row["key"]: row["slot"]
        for document in documents
        for row in connection.execute("SELECT key, slot FROM record WHERE document = ?", (document,))
    }


def _insert(connection: sqlite3.Connection, slot: int, record: Record) -> None:
    metadata = json.dumps(dict(record.metadata), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    connection.execute(
        "INSERT INTO record (key, slot, hash, metadata, vector, document) VALUES (?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (key) DO UPDATE SET slot = excluded.slot, metadata = excluded.metadata, "
        "vector = excluded.vector, document = coalesce(excluded.document, document)",
        (
            record.key,
            slot,
            zlib.crc32(record.key.encode()),
            metadata,
            record.vector.astype("<f4").tobytes(),
            record.document,
        ),
    )


def _record(row: Row) -> Record:
    return Record(row["key"], np.frombuffer(row["vector"], "<f4"), json.loads(row["metadata"]), row["document"])


def _units(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """The vectors at length 1; computed in doubles, where the smallest and the largest don't overflow."""
    wide = vectors.astype(np.float64)
    wide /= np.linalg.norm(wide, axis=1, keepdims=True)
    return wide.astype(np.float32)


def _closeness(vectors: NDArray[np.float32], vector: NDArray[np.float32]) -> NDArray[np.float64]:
    """The negative euclidean distance of each row."""
    found = np.empty(len(vectors), np.float64)
    wide = vector.astype(np.float64)
    for start in range(0, len(vectors), _BLOCK):
        found[start : start + _BLOCK] = -np.linalg.norm(vectors[start : start + _BLOCK] - wide, axis=1)
    return found


def _single(number: float) -> float:
    """The nearest float32, as distances are told; what is beyond its range becomes its largest."""
    return float(np.float32(min(number, float(np.finfo(np.float32).max))))


def _summed(bm25: Mapping[str, Mapping[int, float]]) -> list[int]:
    total: dict[int, float] = {}
    for scores in bm25.values():
        for slot, score in scores.items():
            total[slot] = total.get(slot, 0.0) + score
    return sorted(total, key=lambda slot: (-total[slot], slot))


def _fuse(rankings: Sequence[Sequence[int]]) -> dict[int, float]:
    fused: dict[int, float] = {}
    for ranking in rankings:
        for rank, slot in enumerate(ranking, 1):
            fused[slot] = fused.get(slot, 0.0) + 1 / (FUSION + rank)
    return fused
