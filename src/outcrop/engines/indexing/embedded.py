"""The built-in index: one SQLite file. Vectors are compared exactly, in memory; text by BM25 over
postings in memory. One process owns a file."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from outcrop.engines.indexing import snapshot, terms
from outcrop.engines.indexing.columns import Column, passing
from outcrop.engines.indexing.filters import MISSING, Filter
from outcrop.engines.indexing.index import Entry, Hit
from outcrop.engines.indexing.lexicon import SCHEMA as LEXICON
from outcrop.engines.indexing.lexicon import Lexicon
from outcrop.engines.indexing.matrix import Matrix
from outcrop.engines.indexing.postings import Bag, Postings
from outcrop.engines.indexing.ranking import best_rows
from outcrop.storage import Database, Row

if TYPE_CHECKING:
    import sqlite3

    from numpy.typing import NDArray

SCHEMA = [
    """
    CREATE TABLE about (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE chunk (
        slot INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        document TEXT NOT NULL,
        text TEXT NOT NULL,
        metadata TEXT NOT NULL
    );
    CREATE INDEX chunk_document ON chunk (document);
    CREATE TABLE vector (slot INTEGER PRIMARY KEY, value BLOB NOT NULL);
    CREATE VIRTUAL TABLE words USING fts5 (terms, content='', tokenize='ascii');
    """,
    f"DROP TABLE words; DELETE FROM about WHERE key='terms'; {LEXICON}",
]

_BATCH = 500
_WORTH_KEEPING = 5_000
"""Rows whose postings take a moment to sort."""


class EmbeddedIndex:
    """`Index` in a file. The vectors (4 bytes a number) and the postings (5 bytes for each distinct word of a chunk)
    are read into memory by the first search, and kept in step from then on."""

    def __init__(self, path: Path, dimensions: int) -> None:
        self._path = path
        self._snapshot = path.with_suffix(".words.npz")
        self._dimensions = dimensions
        self._writer = Database(path)
        self._writer.migrate(SCHEMA)
        # A connection of its own lets searches go on while a document is being written.
        self._reader = Database(path)
        self._reader.migrate(SCHEMA)
        # Held while memory is read, and from the commit of a write until memory has followed it.
        self._lock = threading.RLock()
        self._writing = threading.Lock()
        self._lexicon = Lexicon()
        self._matrix: Matrix | None = None
        self._postings: Postings | None = None
        self._kept = 0
        """Rows whose postings are stored."""
        self._columns: dict[str, Column] = {}

    def open(self) -> None:
        """Make or check the file. Raises ValueError if it was made for vectors of another length."""
        with self._writing, self._writer.transaction() as connection:
            about = dict(connection.execute("SELECT key, value FROM about").fetchall())
            stored = about.setdefault("dimensions", self._dimensions)
            if stored != self._dimensions:
                raise ValueError(
                    f"{self._path} holds vectors of {stored} numbers, but the embedder makes {self._dimensions}. "
                    "Ingest the documents again into a new index."
                )
            if about.setdefault("terms", terms.VERSION) != terms.VERSION:
                self._index_words_again(connection)
            about["terms"] = terms.VERSION
            connection.executemany("INSERT OR REPLACE INTO about VALUES (?, ?)", about.items())

    def close(self) -> None:
        with self._writing, self._lock:
            self._keep_words()
            self._matrix = self._postings = None
            self._columns = {}
            self._writer.close()
            self._reader.close()

    def replace_document(self, document: str, entries: Sequence[Entry]) -> None:
        """Put these entries in place of all that the document had, in one transaction. Of entries with the same id
        the last one stays. Raises ValueError for a vector of the wrong length or with numbers that aren't finite."""
        entries = list({entry.id: entry for entry in entries}.values())
        vectors = self._stack(entries)
        with self._write() as (connection, follow):
            gone = _slots(connection, "document", [document])
            gone += _slots(connection, "id", [entry.id for entry in entries])
            self._delete(connection, gone)
            slots = [_insert(connection, entry, vector) for entry, vector in zip(entries, vectors, strict=True)]
            words = [terms.terms(_storable(entry.text)) for entry in entries]
            bags = self._lexicon.add(connection, 0, list(zip(slots, words, strict=True)))
            follow(lambda: self._follow(gone, slots, vectors, bags, entries))

    def entries(self, document: str) -> list[Entry]:
        rows = self._reader.read(
            "SELECT id, text, metadata, value FROM chunk JOIN vector USING (slot) WHERE document=? ORDER BY slot",
            (document,),
        )
        return [
            Entry(
                row["id"],
                document,
                row["text"],
                json.loads(row["metadata"]),
                np.frombuffer(row["value"], "<f4").astype(np.float32),
            )
            for row in rows
        ]

    def delete_documents(self, documents: Sequence[str]) -> None:
        with self._write() as (connection, follow):
            gone = _slots(connection, "document", documents)
            self._delete(connection, gone)
            follow(lambda: self._follow(gone, [], self._stack([]), [], []))

    def search_vector(self, vector: NDArray[np.float32], limit: int, where: Filter | None = None) -> list[Hit]:
        """The entries whose vectors are nearest, all of them compared; `score` is the cosine."""
        vector = np.ascontiguousarray(vector, np.float32).reshape(-1)
        if len(vector) != self._dimensions:
            raise ValueError(f"the question's vector has {len(vector)} numbers, the index {self._dimensions}")

        def best() -> list[tuple[int, float]]:
            with self._lock:
                return self._loaded().best(vector, limit, self._passing(where))

        return self._hits(best)

    def search_text(self, query: str, limit: int, where: Filter | None = None) -> list[Hit]:
        """The entries that share words with the query, by BM25. No character of the query is an operator."""
        wanted = terms.query_terms(query)
        if not wanted or limit <= 0:
            return []

        def best() -> list[tuple[int, float]]:
            with self._lock:
                return self._best_by_words(wanted, limit, self._passing(where))

        return self._hits(best)

    def vectors(self, ids: Sequence[str]) -> NDArray[np.float32]:
        found = np.zeros((len(ids), self._dimensions), np.float32)
        position: dict[str, list[int]] = {}
        for at, one in enumerate(ids):
            position.setdefault(one, []).append(at)
        for batch in _batches(position):
            for row in self._reader.read(
                f"SELECT id, value FROM chunk JOIN vector USING (slot) WHERE id IN ({_marks(batch)})", batch
            ):
                found[position[row["id"]]] = np.frombuffer(row["value"], "<f4")
        return found

    def count(self) -> int:
        with self._lock:
            if self._matrix is not None:
                return self._matrix.size - self._matrix.deleted
        # Of chunks, which SQLite counts in an index; to count vectors it would read them all.
        row = self._reader.read_one("SELECT count(*) AS entries FROM chunk")
        return row["entries"] if row else 0

    def _stack(self, entries: Sequence[Entry]) -> NDArray[np.float32]:
        stacked = np.zeros((len(entries), self._dimensions), np.float32)
        for at, entry in enumerate(entries):
            vector = np.asarray(entry.vector, np.float32)
            if vector.shape != (self._dimensions,):
                raise ValueError(f"entry {entry.id} has a vector of shape {vector.shape}, not ({self._dimensions},)")
            stacked[at] = vector
        if not np.isfinite(stacked).all():
            raise ValueError("a vector has numbers that are not finite")
        return stacked

    def _loaded(self) -> Matrix:
        if self._matrix is None:
            count = self.count()
            matrix = Matrix(self._dimensions, count + count // 8)
            last = 0
            while rows := self._reader.read(
                "SELECT slot, value FROM vector WHERE slot > ? ORDER BY slot LIMIT 8192", (last,)
            ):
                last = rows[-1]["slot"]
                slots = np.fromiter((row["slot"] for row in rows), np.int64, len(rows))
                blob = b"".join(row["value"] for row in rows)
                matrix.append(slots, np.frombuffer(blob, "<f4").reshape(len(rows), self._dimensions))
            self._matrix = matrix
        return self._matrix

    def _worded(self) -> Postings:
        if self._postings is None:
            slots = self._loaded().slots
            known = snapshot.read(self._snapshot, terms.VERSION)
            self._postings = self._lexicon.postings(self._reader, 0, slots, known)
            self._kept = len(known[0]) if known else 0
            self._keep_words()
        return self._postings

    def _keep_words(self) -> None:
        """Store the sorted postings beside the file, for the next start, if there are many new ones. A slot's words
        never change, so what is stored stays true, and only what came later has to be read again."""
        if self._postings is None or self._matrix is None:
            return
        if self._matrix.size > self._kept * 5 // 4 + _WORTH_KEEPING:
            snapshot.write(self._snapshot, terms.VERSION, self._matrix.slots, self._postings)
            self._kept = self._matrix.size

    @contextmanager
    def _write(self) -> Iterator[tuple[sqlite3.Connection, Callable[[Callable[[], None]], None]]]:
        """A transaction, and how to say what brings memory up to it: that runs when it is committed, and searches wait
        from before the commit until then."""
        steps: list[Callable[[], None]] = []
        with self._writing, ExitStack() as searches:
            try:
                with self._writer.transaction() as connection:
                    yield connection, steps.append
                    searches.enter_context(self._lock)
            except BaseException:
                self._lexicon.forget()
                raise
            for step in steps:
                step()

    def _delete(self, connection: sqlite3.Connection, slots: Sequence[int]) -> None:
        self._lexicon.remove(connection, 0, slots)
        for batch in _batches(dict.fromkeys(slots)):
            connection.execute(f"DELETE FROM vector WHERE slot IN ({_marks(batch)})", batch)
            connection.execute(f"DELETE FROM chunk WHERE slot IN ({_marks(batch)})", batch)

    def _index_words_again(self, connection: sqlite3.Connection) -> None:
        self._lexicon.clear(connection, 0)
        rows = connection.execute("SELECT slot, text FROM chunk")
        while block := rows.fetchmany(_BATCH):
            self._lexicon.add(connection, 0, [(slot, terms.terms(text)) for slot, text in block])

    def _follow(
        self,
        gone: Sequence[int],
        slots: Sequence[int],
        vectors: NDArray[np.float32],
        bags: Sequence[Bag],
        entries: Sequence[Entry],
    ) -> None:
        """Bring what is in memory up to what was just committed."""
        matrix = self._matrix
        if matrix is None:
            return
        matrix.delete(np.array(gone, np.int64))
        matrix.append(np.array(slots, np.int64), vectors)
        if self._postings is not None:
            self._postings.extend(bags)
        for key, column in self._columns.items():
            column.extend(entry.metadata.get(key, MISSING) for entry in entries)
        if matrix.sparse:
            kept = matrix.compact()
            if self._postings is not None:
                self._postings.keep(kept)
            for column in self._columns.values():
                column.keep(kept)

    def _passing(self, where: Filter | None) -> NDArray[np.bool_] | None:
        return None if where is None else passing(where, self._column, self._loaded().size)

    def _column(self, key: str) -> Column:
        column = self._columns.get(key)
        if column is None:
            matrix = self._loaded()
            values: list[Any] = [MISSING] * matrix.size
            stored = self._reader.read(
                "SELECT slot, type, value FROM chunk, json_each(chunk.metadata) WHERE json_each.key = ?", (key,)
            )
            rows = matrix.rows(np.fromiter((row["slot"] for row in stored), np.int64, len(stored)))
            for row, record in zip(rows, stored, strict=True):
                if row >= 0:
                    values[row] = _value(record["type"], record["value"])
            column = self._columns[key] = Column(values)
        return column

    def _best_by_words(
        self, wanted: Sequence[str], limit: int, passing: NDArray[np.bool_] | None
    ) -> list[tuple[int, float]]:
        matrix = self._loaded()
        alive = matrix.alive if matrix.deleted else None
        scores = self._worded().scores(self._lexicon.find(self._reader, wanted), alive)
        for mask in (alive, passing):
            if mask is not None:
                scores *= mask
        rows = best_rows(scores, limit)
        rows = rows[scores[rows] > 0]
        return [(int(slot), float(score)) for slot, score in zip(matrix.slots[rows], scores[rows], strict=True)]

    def _hits(self, search: Callable[[], list[tuple[int, float]]]) -> list[Hit]:
        """What a search found, with its rows. If a writer removed some of them meanwhile, the search is done again
        with writers held off."""
        hits = self._fetch(search())
        if hits is None:
            with self._lock:
                hits = self._fetch(search())
        assert hits is not None, "rows vanished although no one wrote"
        return hits

    def _fetch(self, found: list[tuple[int, float]]) -> list[Hit] | None:
        rows: dict[int, Row] = {}
        for batch in _batches(slot for slot, _ in found):
            for stored in self._reader.read(
                f"SELECT slot, id, document, text, metadata FROM chunk WHERE slot IN ({_marks(batch)})", batch
            ):
                rows[stored["slot"]] = stored
        if len(rows) < len(found):
            return None
        return [
            Hit(row["id"], row["document"], row["text"], json.loads(row["metadata"]), score)
            for row, score in ((rows[slot], score) for slot, score in found)
        ]


def _insert(connection: sqlite3.Connection, entry: Entry, vector: NDArray[np.float32]) -> int:
    metadata = json.dumps(dict(entry.metadata), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    text = _storable(entry.text)
    slot = connection.execute(
        "INSERT INTO chunk (id, document, text, metadata) VALUES (?, ?, ?, ?)",
        (entry.id, entry.document, text, _storable(metadata)),
    ).lastrowid
    assert slot is not None
    connection.execute("INSERT INTO vector VALUES (?, ?)", (slot, vector.astype("<f4").tobytes()))
    return slot


def _slots(connection: sqlite3.Connection, column: str, values: Sequence[str]) -> list[int]:
    found: list[int] = []
    for batch in _batches(dict.fromkeys(values)):
        found.extend(
            slot for (slot,) in connection.execute(f"SELECT slot FROM chunk WHERE {column} IN ({_marks(batch)})", batch)
        )
    return found


def _value(kind: str, value: Any) -> Any:
    match kind:
        case "true" | "false":
            return kind == "true"
        case "array" | "object":
            return json.loads(value)
    return value


def _storable(text: str) -> str:
    """The text without lone surrogates, which UTF-8 can't hold."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))


def _batches(values: Iterable[Any]) -> Iterator[tuple[Any, ...]]:
    source = iter(values)
    while batch := tuple(islice(source, _BATCH)):
        yield batch
