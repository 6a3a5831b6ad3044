"""Rows of the ledger: one for each invocation that reached an engine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from outcrop.storage import Database

SCHEMA = [
    """
    CREATE TABLE entry (id INTEGER PRIMARY KEY, at REAL NOT NULL, request_id TEXT NOT NULL, account TEXT NOT NULL,
                        region TEXT NOT NULL, operation TEXT NOT NULL, model TEXT NOT NULL, resource TEXT NOT NULL,
                        by_hour INTEGER NOT NULL, caller TEXT NOT NULL, tags TEXT NOT NULL, engine TEXT NOT NULL,
                        input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,
                        cache_read_tokens INTEGER NOT NULL, cache_write_tokens INTEGER NOT NULL,
                        images INTEGER NOT NULL, queries INTEGER NOT NULL);
    CREATE INDEX entry_by_time ON entry (at)
    """
]
DATABASE = "ledger"
_SUMS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "images", "queries")


@dataclass(frozen=True, slots=True)
class Entry:
    at: float
    request_id: str
    account: str
    region: str
    operation: str
    model: str
    """Whose price applies: the model's id, with the prefix of the inference profile that was named."""
    resource: str
    """ARN of what was named."""
    by_hour: bool
    """Provisioned throughput: its hours are charged, not its tokens."""
    caller: str
    tags: Mapping[str, str]
    engine: str
    """What has answered here."""
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    images: int
    queries: int


@dataclass(frozen=True, slots=True)
class Sum:
    """Entries of one day (UTC), region, model and group added up."""

    day: str
    region: str
    model: str
    by_hour: bool
    group: str
    requests: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    images: int
    queries: int


class LedgerStore:
    """Commits wait for no disk: entries survive a killed process, but not the loss of power."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._db.migrate(SCHEMA)

    def add(self, entry: Entry) -> None:
        self._db.write(
            "INSERT INTO entry (at, request_id, account, region, operation, model, resource, by_hour, caller, tags, "
            "engine, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, images, queries) "
            "VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            (
                entry.at,
                entry.request_id,
                entry.account,
                entry.region,
                entry.operation,
                entry.model,
                entry.resource,
                entry.by_hour,
                entry.caller,
                json.dumps(dict(entry.tags)),
                entry.engine,
                *(getattr(entry, name) for name in _SUMS),
            ),
        )

    def entries(self, since: float = 0.0) -> list[Entry]:
        """Oldest first."""
        rows = self._db.read("SELECT * FROM entry WHERE at>=? ORDER BY at, id", (since,))
        return [
            Entry(
                **{
                    **{name: row[name] for name in tuple(row.keys()) if name != "id"},
                    "tags": json.loads(row["tags"]),
                    "by_hour": bool(row["by_hour"]),
                }
            )
            for row in rows
        ]

    def sums(self, since: float, until: float, *, by_caller: bool = False, tag: str | None = None) -> list[Sum]:
        """By day, region and model, and by who called or by the value of a tag."""
        group, parameters = ("caller" if by_caller else "''"), []
        if tag is not None:
            group, parameters = "coalesce((SELECT value FROM json_each(tags) WHERE key=?), '')", [tag]
        added = ", ".join(f"sum({name}) AS {name}" for name in _SUMS)
        rows = self._db.read(
            f"SELECT date(at, 'unixepoch') AS day, region, model, by_hour, {group} AS grouped, count(*) AS requests, "
            f"{added} FROM entry WHERE at>=? AND at<? GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 3, 2, 5",
            (*parameters, since, until),
        )
        return [
            Sum(
                row["day"],
                row["region"],
                row["model"],
                bool(row["by_hour"]),
                row["grouped"],
                row["requests"],
                *(row[name] for name in _SUMS),
            )
            for row in rows
        ]
