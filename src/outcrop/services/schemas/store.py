"""Rows of registries, schemas and their versions."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from outcrop.services.schemas.names import Place
from outcrop.storage import Database, Row

SCHEMA = [
    """
    CREATE TABLE registry (
        id INTEGER PRIMARY KEY,
        account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL,
        description TEXT, tags TEXT NOT NULL DEFAULT '{}',
        UNIQUE (account, region, name)
    );
    CREATE TABLE schema (
        id INTEGER PRIMARY KEY,
        registry_id INTEGER NOT NULL REFERENCES registry (id),
        name TEXT NOT NULL, description TEXT, changed_at REAL NOT NULL, newest INTEGER NOT NULL,
        tags TEXT NOT NULL DEFAULT '{}',
        UNIQUE (registry_id, name)
    );
    CREATE TABLE version (
        schema_id INTEGER NOT NULL REFERENCES schema (id) ON DELETE CASCADE,
        number INTEGER NOT NULL, type TEXT NOT NULL, content TEXT NOT NULL, created_at REAL NOT NULL,
        PRIMARY KEY (schema_id, number)
    );
    """
]


class Taken(Exception):
    """The name exists."""


class NotEmpty(Exception):
    """The registry has schemas."""


@dataclass(frozen=True, slots=True)
class Registry:
    id: int
    place: Place
    description: str | None
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Schema:
    id: int
    place: Place
    description: str | None
    changed_at: float
    tags: Mapping[str, str]
    versions: int


@dataclass(frozen=True, slots=True)
class Version:
    number: int
    type: str
    content: str
    created_at: float


class SchemaStore:
    def __init__(self, database: Database) -> None:
        self._db = database
        self._db.migrate(SCHEMA)

    def add_registry(self, place: Place, description: str | None, tags: Mapping[str, str]) -> None:
        """Raises Taken."""
        try:
            self._db.write(
                "INSERT INTO registry (account, region, name, description, tags) VALUES (?,?,?,?,?)",
                (place.account, place.region, place.registry, description, json.dumps(dict(tags))),
            )
        except sqlite3.IntegrityError:
            raise Taken from None

    def registry(self, place: Place) -> Registry | None:
        row = self._db.read_one(
            "SELECT * FROM registry WHERE account=? AND region=? AND name=?",
            (place.account, place.region, place.registry),
        )
        return _registry(row) if row else None

    def registries(self, account: str, region: str, prefix: str, after: str, limit: int) -> list[Registry]:
        rows = self._db.read(
            "SELECT * FROM registry WHERE account=? AND region=? AND name>? AND substr(name, 1, ?)=? "
            "ORDER BY name LIMIT ?",
            (account, region, after, len(prefix), prefix, limit),
        )
        return [_registry(row) for row in rows]

    def describe_registry(self, registry: Registry, description: str) -> None:
        self._db.write("UPDATE registry SET description=? WHERE id=?", (description, registry.id))

    def delete_registry(self, registry: Registry) -> None:
        """Raises NotEmpty."""
        try:
            self._db.write("DELETE FROM registry WHERE id=?", (registry.id,))
        except sqlite3.IntegrityError:
            raise NotEmpty from None

    def add_schema(
        self,
        registry: Registry,
        name: str,
        type_: str,
        content: str,
        description: str | None,
        tags: Mapping[str, str],
    ) -> None:
        """With its first version. Raises Taken."""
        now = time.time()
        try:
            with self._db.transaction() as connection:
                cursor = connection.execute(
                    "INSERT INTO schema (registry_id, name, description, changed_at, newest, tags) "
                    "VALUES (?,?,?,?,1,?)",
                    (registry.id, name, description, now, json.dumps(dict(tags))),
                )
                connection.execute("INSERT INTO version VALUES (?,1,?,?,?)", (cursor.lastrowid, type_, content, now))
        except sqlite3.IntegrityError:
            raise Taken from None

    def schema(self, place: Place) -> Schema | None:
        registry = self.registry(place)
        found = registry and self._schemas(registry, "name=?", (place.schema,))
        return found[0] if found else None

    def schemas(self, registry: Registry, prefix: str, after: str, limit: int) -> list[Schema]:
        return self._schemas(
            registry, "name>? AND substr(name, 1, ?)=? ORDER BY name LIMIT ?", (after, len(prefix), prefix, limit)
        )

    def _schemas(self, registry: Registry, where: str, values: Sequence[Any]) -> list[Schema]:
        rows = self._db.read(
            "SELECT *, (SELECT count(*) FROM version WHERE schema_id=schema.id) AS versions FROM schema "
            f"WHERE registry_id=? AND {where}",
            (registry.id, *values),
        )
        place = registry.place
        return [
            Schema(
                row["id"],
                Place(place.account, place.region, place.registry, row["name"]),
                row["description"],
                row["changed_at"],
                json.loads(row["tags"]),
                row["versions"],
            )
            for row in rows
        ]

    def describe_schema(self, schema: Schema, description: str) -> None:
        self._db.write(
            "UPDATE schema SET description=?, changed_at=? WHERE id=?", (description, time.time(), schema.id)
        )

    def delete_schema(self, schema: Schema) -> None:
        self._db.write("DELETE FROM schema WHERE id=?", (schema.id,))

    def add_version(self, schema: Schema, type_: str, content: str) -> None:
        """Under a number that no version of this schema ever had."""
        now = time.time()
        with self._db.transaction() as connection:
            connection.execute("UPDATE schema SET newest=newest+1, changed_at=? WHERE id=?", (now, schema.id))
            connection.execute(
                "INSERT INTO version SELECT id, newest, ?, ?, ? FROM schema WHERE id=?",
                (type_, content, now, schema.id),
            )

    def version(self, schema: Schema, number: int | None = None) -> Version | None:
        """The newest without a number."""
        row = self._db.read_one(
            "SELECT * FROM version WHERE schema_id=? AND (? IS NULL OR number=?) ORDER BY number DESC LIMIT 1",
            (schema.id, number, number),
        )
        return _version(row) if row else None

    def versions(self, schema: Schema, after: int, limit: int) -> list[Version]:
        """The oldest first."""
        rows = self._db.read(
            "SELECT * FROM version WHERE schema_id=? AND number>? ORDER BY number LIMIT ?", (schema.id, after, limit)
        )
        return [_version(row) for row in rows]

    def delete_version(self, schema: Schema, version: Version) -> None:
        self._db.write("DELETE FROM version WHERE schema_id=? AND number=?", (schema.id, version.number))

    def set_tags(self, owner: Registry | Schema, tags: Mapping[str, str]) -> None:
        table = "schema" if isinstance(owner, Schema) else "registry"
        self._db.write(f"UPDATE {table} SET tags=? WHERE id=?", (json.dumps(dict(tags)), owner.id))


def _registry(row: Row) -> Registry:
    place = Place(row["account"], row["region"], row["name"])
    return Registry(row["id"], place, row["description"], json.loads(row["tags"]))


def _version(row: Row) -> Version:
    return Version(row["number"], row["type"], row["content"], row["created_at"])
