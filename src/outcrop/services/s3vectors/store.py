"""Rows of vector buckets and indexes. The vectors themselves are in a file an index (`tables.py`)."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from outcrop.services.s3vectors.names import Place
from outcrop.storage import Database, Row

SCHEMA = [
    """
    CREATE TABLE bucket (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL,
        created_at REAL NOT NULL, encryption TEXT NOT NULL, mode TEXT NOT NULL, policy TEXT,
        tags TEXT NOT NULL DEFAULT '{}',
        UNIQUE (account, region, name)
    );
    CREATE TABLE vector_index (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        bucket_id INTEGER NOT NULL REFERENCES bucket (id),
        name TEXT NOT NULL, created_at REAL NOT NULL, dimension INTEGER NOT NULL, metric TEXT NOT NULL,
        encryption TEXT NOT NULL, mode TEXT NOT NULL, not_filterable TEXT NOT NULL, searchable TEXT NOT NULL,
        tags TEXT NOT NULL DEFAULT '{}',
        UNIQUE (bucket_id, name)
    );
    """
]

Metric = Literal["cosine", "euclidean"]


@dataclass(frozen=True, slots=True)
class Bucket:
    id: int
    place: Place
    created_at: float
    encryption: Mapping[str, str]
    mode: str
    policy: str | None
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class VectorIndex:
    id: int
    place: Place
    created_at: float
    dimension: int
    metric: Metric
    encryption: Mapping[str, str]
    mode: str
    not_filterable: Sequence[str]
    searchable: Mapping[str, str]
    """The language of each metadata key that text search looks into; "" where none was given."""
    tags: Mapping[str, str]


class Taken(Exception):
    """The name exists."""


class NotEmpty(Exception):
    """The bucket has indexes."""


class VectorStore:
    def __init__(self, database: Database) -> None:
        self._db = database
        self._db.migrate(SCHEMA)

    def add_bucket(self, place: Place, encryption: Mapping[str, str], mode: str, tags: Mapping[str, str]) -> None:
        """Raises Taken."""
        values = (place.account, place.region, place.bucket, time.time(), *map(_dump, (encryption, mode, tags)))
        try:
            self._db.write(
                "INSERT INTO bucket (account, region, name, created_at, encryption, mode, tags) VALUES (?,?,?,?,?,?,?)",
                values,
            )
        except sqlite3.IntegrityError:
            raise Taken from None

    def bucket(self, place: Place) -> Bucket | None:
        row = self._db.read_one(
            "SELECT * FROM bucket WHERE account=? AND region=? AND name=?", (place.account, place.region, place.bucket)
        )
        return _bucket(row) if row else None

    def buckets(self, account: str, region: str, prefix: str, after: str, limit: int) -> list[Bucket]:
        rows = self._db.read(
            "SELECT * FROM bucket WHERE account=? AND region=? AND name>? AND substr(name, 1, ?)=? "
            "ORDER BY name LIMIT ?",
            (account, region, after, len(prefix), prefix, limit),
        )
        return [_bucket(row) for row in rows]

    def count_buckets(self, account: str, region: str) -> int:
        row = self._db.read_one("SELECT count(*) AS n FROM bucket WHERE account=? AND region=?", (account, region))
        return row["n"] if row else 0

    def set_policy(self, bucket: Bucket, policy: str | None) -> None:
        self._db.write("UPDATE bucket SET policy=? WHERE id=?", (policy, bucket.id))

    def delete_bucket(self, bucket: Bucket) -> None:
        """Raises NotEmpty."""
        try:
            self._db.write("DELETE FROM bucket WHERE id=?", (bucket.id,))
        except sqlite3.IntegrityError:
            raise NotEmpty from None

    def add_index(
        self,
        bucket: Bucket,
        name: str,
        dimension: int,
        metric: str,
        encryption: Mapping[str, str],
        not_filterable: Sequence[str],
        searchable: Mapping[str, str],
        tags: Mapping[str, str],
    ) -> None:
        """Raises Taken."""
        kept = map(_dump, (encryption, bucket.mode, not_filterable, searchable, tags))
        try:
            self._db.write(
                "INSERT INTO vector_index (bucket_id, name, created_at, dimension, metric, encryption, mode, "
                "not_filterable, searchable, tags) VALUES (?,?,?,?,?,?,?,?,?,?)",
                (bucket.id, name, time.time(), dimension, metric, *kept),
            )
        except sqlite3.IntegrityError:
            raise Taken from None

    def index(self, place: Place) -> VectorIndex | None:
        found = self.bucket(place)
        row = found and self._db.read_one(
            "SELECT * FROM vector_index WHERE bucket_id=? AND name=?", (found.id, place.index)
        )
        return _index(row, place) if row else None

    def indexes(self, bucket: Bucket, prefix: str, after: str, limit: int) -> list[VectorIndex]:
        rows = self._db.read(
            "SELECT * FROM vector_index WHERE bucket_id=? AND name>? AND substr(name, 1, ?)=? ORDER BY name LIMIT ?",
            (bucket.id, after, len(prefix), prefix, limit),
        )
        place = bucket.place
        return [_index(row, Place(place.account, place.region, place.bucket, row["name"])) for row in rows]

    def index_ids(self) -> set[int]:
        return {row["id"] for row in self._db.read("SELECT id FROM vector_index")}

    def count_indexes(self, bucket: Bucket) -> int:
        row = self._db.read_one("SELECT count(*) AS n FROM vector_index WHERE bucket_id=?", (bucket.id,))
        return row["n"] if row else 0

    def set_searchable(self, index: VectorIndex, searchable: Mapping[str, str]) -> None:
        self._db.write("UPDATE vector_index SET searchable=? WHERE id=?", (_dump(searchable), index.id))

    def delete_index(self, index: VectorIndex) -> None:
        self._db.write("DELETE FROM vector_index WHERE id=?", (index.id,))

    def set_tags(self, owner: Bucket | VectorIndex, tags: Mapping[str, str]) -> None:
        table = "bucket" if isinstance(owner, Bucket) else "vector_index"
        self._db.write(f"UPDATE {table} SET tags=? WHERE id=?", (_dump(tags), owner.id))


def _dump(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _bucket(row: Row) -> Bucket:
    return Bucket(
        row["id"],
        Place(row["account"], row["region"], row["name"]),
        row["created_at"],
        json.loads(row["encryption"]),
        row["mode"],
        row["policy"],
        json.loads(row["tags"]),
    )


def _index(row: Row, place: Place) -> VectorIndex:
    return VectorIndex(
        row["id"],
        place,
        row["created_at"],
        row["dimension"],
        row["metric"],
        json.loads(row["encryption"]),
        row["mode"],
        json.loads(row["not_filterable"]),
        json.loads(row["searchable"]),
        json.loads(row["tags"]),
    )
