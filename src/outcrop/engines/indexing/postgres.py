"""An index in a PostgreSQL table with pgvector, in the columns that a knowledge base's table has there.

Beside the table stands another one, named as it is and `_words`, with the terms of each chunk: PostgreSQL's own text
search ranks without knowing how rare a word is, so BM25 is computed from that.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote, urlsplit

import numpy as np

from outcrop.engines.embedding.dimensions import fit, restore
from outcrop.engines.indexing import terms
from outcrop.engines.indexing.filters import Filter
from outcrop.engines.indexing.index import Entry, Hit
from outcrop.engines.indexing.postings import K1, B
from outcrop.engines.indexing.sql_filters import Condition
from outcrop.engines.inference.engine import EngineError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pg8000.native import Connection

T = TypeVar("T")

_IDS = uuid.UUID("6f1f6a3c-6f0b-5a55-9b1b-0d2f6c9f5b7e")
"""Names the UUIDs of entries whose own id is none."""
_LAST = "\U0010ffff"
_SCORE = f"""
    WITH total AS (SELECT count(*)::float8 AS texts, greatest(avg(length), 1)::float8 AS mean
                   FROM {{words}} WHERE term = ''),
         hit AS (SELECT id, term, count, length FROM {{words}} WHERE term = ANY(CAST(:terms AS text[]))),
         weight AS (SELECT term, greatest(ln((texts - count(*) + 0.5) / (count(*) + 0.5)), 1e-6) AS idf
                    FROM hit, total GROUP BY term, texts),
         best AS (SELECT id, sum(idf * count * {K1 + 1} / (count + {K1} * ({1 - B} + {B} * length / mean))) AS score
                  FROM hit JOIN weight USING (term), total {{where}} GROUP BY id ORDER BY score DESC LIMIT :limit)
    SELECT {{columns}}, best.score FROM best JOIN {{table}} AS t ON t.{{id}} = best.id ORDER BY best.score DESC
"""


@dataclass(frozen=True, slots=True)
class Columns:
    """The names of a table's columns."""

    id: str = "id"
    vector: str = "embedding"
    text: str = "chunks"
    metadata: str = "metadata"
    """json: what is ours of an entry."""
    attributes: str = "custom_metadata"
    """jsonb: what filters see."""


class PostgresIndex:
    """`Index` in the table `schema.name` of the database at `url`, made if it isn't there. Vectors are fitted to its
    dimensions. Every method raises EngineError if the server can't do it."""

    def __init__(self, url: str, table: str, dimensions: int, columns: Columns | None = None) -> None:
        self._url = url
        self._dimensions = dimensions
        self._width = dimensions
        self._columns = columns or Columns()
        *schema, name = table.rsplit(".", 1)
        self._schema = schema[0] if schema else ""
        self._table = _quoted(*schema, name)
        self._words = _quoted(*schema, f"{name}_words")
        self._idle: list[Connection] = []
        self._lock = threading.Lock()

    def reach(self) -> None:
        """Raises EngineError if the server doesn't answer."""
        self._run("SELECT 1")

    def open(self) -> None:
        c = self._columns

        def make(connection: Connection) -> int:
            connection.run("CREATE EXTENSION IF NOT EXISTS vector")
            if self._schema:
                connection.run(f"CREATE SCHEMA IF NOT EXISTS {_quoted(self._schema)}")
            connection.run(
                f"CREATE TABLE IF NOT EXISTS {self._table} ({_quoted(c.id)} uuid PRIMARY KEY, "
                f"{_quoted(c.vector)} vector({self._dimensions}), {_quoted(c.text)} text, {_quoted(c.metadata)} json, "
                f"{_quoted(c.attributes)} jsonb)"
            )
            connection.run(
                f'CREATE TABLE IF NOT EXISTS {self._words} (term text COLLATE "C", id uuid, count int, length int, '
                f"PRIMARY KEY (term, id), FOREIGN KEY (id) REFERENCES {self._table} ON DELETE CASCADE)"
            )
            connection.run(f"ALTER TABLE {self._table} ADD COLUMN IF NOT EXISTS {_quoted(c.attributes)} jsonb")
            for method, on in (
                ("hnsw", f"{_quoted(c.vector)} vector_cosine_ops"),
                ("btree", f"({self._document})"),
                ("gin", f"{_quoted(c.attributes)}"),
            ):
                index = _quoted(f"outcrop_{uuid.uuid5(_IDS, self._table + method).hex}")
                connection.run(f"CREATE INDEX IF NOT EXISTS {index} ON {self._table} USING {method} ({on})")
            index = _quoted(f"outcrop_{uuid.uuid5(_IDS, self._words).hex}")
            connection.run(f"CREATE INDEX IF NOT EXISTS {index} ON {self._words} (id)")
            rows = connection.run(
                "SELECT atttypmod FROM pg_attribute WHERE attrelid = to_regclass(:table) AND attname = :column",
                table=self._table,
                column=c.vector,
            )
            return int(rows[0][0])

        width = self._in_transaction(make)
        self._width = width if width > 0 else self._dimensions

    def close(self) -> None:
        with self._lock:
            while self._idle:
                self._idle.pop().close()

    def replace_document(self, document: str, entries: Sequence[Entry]) -> None:
        """Raises ValueError for a vector of the wrong length or with numbers that aren't finite."""
        entries = list({entry.id: entry for entry in entries}.values())
        vectors = np.zeros((len(entries), self._dimensions), np.float32)
        for at, entry in enumerate(entries):
            if np.shape(entry.vector) != (self._dimensions,) or not np.isfinite(entry.vector).all():
                raise ValueError(f"entry {entry.id} needs a vector of {self._dimensions} finite numbers")
            vectors[at] = entry.vector
        rows = [
            self._row(at, entry, one)
            for at, (entry, one) in enumerate(zip(entries, self._fitted(vectors), strict=True))
        ]
        words = [row for entry in entries for row in _word_rows(entry)]

        def replace(connection: Connection) -> None:
            self._delete(connection, [document], [row["id"] for row in rows])
            c = self._columns
            connection.run(
                f"INSERT INTO {self._table} ({_quoted(c.id)}, {_quoted(c.vector)}, {_quoted(c.text)}, "
                f"{_quoted(c.metadata)}, {_quoted(c.attributes)}) "
                "SELECT r.id, CAST(r.vector AS vector), r.text, r.metadata, r.attributes "
                "FROM json_to_recordset(CAST(:rows AS json)) "
                "AS r(id uuid, vector text, text text, metadata json, attributes jsonb)",
                rows=json.dumps(rows),
            )
            connection.run(
                f"INSERT INTO {self._words} (term, id, count, length) "
                "SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS r(term text, id uuid, count int, length int)",
                rows=json.dumps(words),
            )

        self._in_transaction(replace)

    def entries(self, document: str) -> list[Entry]:
        rows = self._run(
            f"SELECT {self._shown}, {_quoted(self._columns.vector)}::text FROM {self._table} AS t "
            f"WHERE {self._document} = :document ORDER BY ({_quoted(self._columns.metadata)}->>'position')::int",
            document=document,
        )
        hits = [self._hit(row[:4], 0.0) for row in rows]
        vectors = self._restored([row[4] for row in rows])
        return [Entry(hit.id, document, hit.text, hit.metadata, one) for hit, one in zip(hits, vectors, strict=True)]

    def delete_documents(self, documents: Sequence[str]) -> None:
        if documents:
            self._in_transaction(lambda connection: self._delete(connection, documents, []))

    def search_vector(self, vector: NDArray[np.float32], limit: int, where: Filter | None = None) -> list[Hit]:
        vector = np.asarray(vector, np.float32).reshape(1, -1)
        if vector.shape[1] != self._dimensions:
            raise ValueError(f"the question's vector has {vector.shape[1]} numbers, the index {self._dimensions}")
        if limit <= 0:
            return []
        condition = Condition.of(where, _quoted(self._columns.attributes))
        column = _quoted(self._columns.vector)
        rows = self._run(
            f"SELECT {self._shown}, 1 - ({column} <=> CAST(:vector AS vector)) FROM {self._table} AS t "
            f"WHERE {column} IS NOT NULL AND {condition.sql} "
            f"ORDER BY {column} <=> CAST(:vector AS vector) LIMIT :limit",
            vector=_written(self._fitted(vector)[0]),
            limit=limit,
            **condition.values,
        )
        return [self._hit(row[:4], float(row[4])) for row in rows]

    def search_text(self, query: str, limit: int, where: Filter | None = None) -> list[Hit]:
        wanted = self._terms(terms.query_terms(query))
        if not wanted or limit <= 0:
            return []
        condition = Condition.of(where, _quoted(self._columns.attributes))
        passing = f"SELECT {_quoted(self._columns.id)} FROM {self._table} WHERE {condition.sql}"
        sql = _SCORE.format(
            words=self._words,
            table=self._table,
            id=_quoted(self._columns.id),
            columns=self._shown,
            where=f"WHERE id IN ({passing})" if where is not None else "",
        )
        rows = self._run(sql, terms=wanted, limit=limit, **condition.values)
        return [self._hit(row[:4], float(row[4])) for row in rows]

    def vectors(self, ids: Sequence[str]) -> NDArray[np.float32]:
        answer = np.zeros((len(ids), self._dimensions), np.float32)
        column = _quoted(self._columns.id)
        rows = self._run(
            f"SELECT {column}::text, {_quoted(self._columns.vector)}::text FROM {self._table} "
            f"WHERE {column} = ANY(CAST(:ids AS uuid[]))",
            ids=[_uuid(one) for one in ids],
        )
        known = dict(zip((row[0] for row in rows), self._restored([row[1] for row in rows]), strict=True))
        for at, one in enumerate(ids):
            if _uuid(one) in known:
                answer[at] = known[_uuid(one)]
        return answer

    def count(self) -> int:
        return int(self._run(f"SELECT count(*) FROM {self._table}")[0][0])

    @property
    def _document(self) -> str:
        return f"({_quoted(self._columns.metadata)}->>'document')"

    @property
    def _shown(self) -> str:
        c = self._columns
        return ", ".join(f"t.{_quoted(name)}" for name in (c.id, c.text, c.metadata, c.attributes))

    def _delete(self, connection: Connection, documents: Sequence[str], ids: Sequence[str]) -> None:
        connection.run(
            f"DELETE FROM {self._table} WHERE {self._document} = ANY(CAST(:documents AS text[])) "
            f"OR {_quoted(self._columns.id)} = ANY(CAST(:ids AS uuid[]))",
            documents=list(documents),
            ids=list(ids),
        )

    def _terms(self, wanted: Sequence[str]) -> list[str]:
        """A lone character of a script without spaces stands for every pair that it begins."""
        found: list[str] = []
        for term in wanted:
            if len(term) == 1 and not term.isascii():
                sql = f"SELECT DISTINCT term FROM {self._words} WHERE term >= :first AND term <= :last"
                found += [row[0] for row in self._run(sql, first=term, last=term + _LAST)]
            else:
                found.append(term)
        return found

    def _row(self, position: int, entry: Entry, vector: NDArray[np.float32]) -> dict[str, Any]:
        inner = {key: value for key, value in entry.metadata.items() if key.startswith("_")}
        return {
            "id": _uuid(entry.id),
            "vector": _written(vector),
            "text": _storable(entry.text),
            "metadata": _plain({"id": entry.id, "document": entry.document, "position": position, "inner": inner}),
            "attributes": _plain({key: value for key, value in entry.metadata.items() if not key.startswith("_")}),
        }

    def _hit(self, row: Sequence[Any], score: float) -> Hit:
        """From id, text, metadata and attributes; those of rows that others wrote may be anything."""
        own = row[2] if isinstance(row[2], dict) else {}
        attributes = row[3] if isinstance(row[3], dict) else {}
        inner = own.get("inner")
        name, document = own.get("id", str(row[0])), own.get("document", "")
        return Hit(
            str(name), str(document), row[1] or "", {**attributes, **(inner if isinstance(inner, dict) else {})}, score
        )

    def _fitted(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        return fit(vectors, self._width)

    def _restored(self, written: Sequence[str]) -> NDArray[np.float32]:
        stored = np.array([json.loads(one) for one in written], np.float32).reshape(-1, self._width)
        return restore(stored, self._dimensions)

    def _run(self, sql: str, **values: Any) -> list[list[Any]]:
        return self._in_transaction(lambda connection: connection.run(sql, **values) or [])

    def _in_transaction(self, work: Callable[[Connection], T]) -> T:
        from pg8000.exceptions import DatabaseError, InterfaceError

        try:
            with self._connection() as connection:
                connection.run("BEGIN")
                try:
                    result = work(connection)
                except BaseException:
                    connection.run("ROLLBACK")
                    raise
                connection.run("COMMIT")
                return result
        except (DatabaseError, InterfaceError, OSError) as error:
            raise EngineError(f"PostgreSQL at {_shown(self._url)} failed: {_reason(error)}") from error

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        """One that nobody else uses. After a failure it is not used again."""
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        if connection is None:
            connection = _connect(self._url)
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        with self._lock:
            self._idle.append(connection)


def _connect(url: str) -> Connection:
    from pg8000.native import Connection

    parts = urlsplit(url)
    connection = Connection(
        unquote(parts.username or "postgres"),
        host=parts.hostname or "localhost",
        port=parts.port or 5432,
        database=unquote(parts.path.lstrip("/")) or "postgres",
        password=unquote(parts.password) if parts.password else None,
        timeout=30,
    )
    connection.run("SET hnsw.ef_search = 200")
    # From pgvector 0.8 on, this goes on searching until enough rows pass a filter.
    connection.run("SET hnsw.iterative_scan = strict_order")
    return connection


def _word_rows(entry: Entry) -> Iterator[dict[str, Any]]:
    """One a term, and one for the text itself, whose term is empty."""
    found = terms.terms(_storable(entry.text))
    for term, count in {**Counter(found), "": 0}.items():
        yield {"term": term, "id": _uuid(entry.id), "count": count, "length": len(found)}


def _uuid(name: str) -> str:
    try:
        return str(uuid.UUID(name))
    except ValueError:
        return str(uuid.uuid5(_IDS, name))


def _quoted(*names: str) -> str:
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def _written(vector: NDArray[np.float32]) -> str:
    return json.dumps(vector.tolist(), separators=(",", ":"))


def _plain(metadata: Mapping[str, Any]) -> Any:
    """Without what PostgreSQL can't hold: NUL and lone surrogates."""
    return json.loads(_storable(json.dumps(metadata, ensure_ascii=False)).replace("\\u0000", " "))


def _storable(text: str) -> str:
    return text.replace("\0", " ").encode("utf-8", "replace").decode("utf-8")


def _shown(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname or 'localhost'}:{parts.port or 5432}{parts.path}"


def _reason(error: Exception) -> str:
    told = error.args[0] if error.args else error
    return str(told.get("M", told)) if isinstance(told, dict) else str(told)
