"""Log groups, streams and events in SQLite. Times are milliseconds since the epoch."""

from __future__ import annotations

import heapq
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from outcrop.storage import Database, Row

EVENT_OVERHEAD = 26
"""Bytes that each event counts beside its text."""

DAY = 86_400_000

SCHEMA = [
    """
    CREATE TABLE log_group (id INTEGER PRIMARY KEY AUTOINCREMENT, account TEXT NOT NULL, region TEXT NOT NULL,
                            name TEXT NOT NULL, created_at INTEGER NOT NULL, retention_days INTEGER,
                            class TEXT NOT NULL, kms_key TEXT, protected INTEGER NOT NULL DEFAULT 0,
                            tags TEXT NOT NULL DEFAULT '{}', stored_bytes INTEGER NOT NULL DEFAULT 0,
                            UNIQUE (account, region, name));
    CREATE TABLE log_stream (id INTEGER PRIMARY KEY AUTOINCREMENT,
                             group_id INTEGER NOT NULL REFERENCES log_group (id) ON DELETE CASCADE,
                             name TEXT NOT NULL, created_at INTEGER NOT NULL, first_event INTEGER, last_event INTEGER,
                             last_ingestion INTEGER, events INTEGER NOT NULL DEFAULT 0, UNIQUE (group_id, name));
    CREATE INDEX log_stream_by_last_event ON log_stream (group_id, last_event);
    CREATE TABLE log_event (stream_id INTEGER NOT NULL REFERENCES log_stream (id) ON DELETE CASCADE,
                            at INTEGER NOT NULL, number INTEGER NOT NULL, ingested_at INTEGER NOT NULL,
                            message TEXT NOT NULL, PRIMARY KEY (stream_id, at, number)) WITHOUT ROWID;
    CREATE TABLE metric_filter (group_id INTEGER NOT NULL REFERENCES log_group (id) ON DELETE CASCADE,
                                name TEXT NOT NULL, pattern TEXT NOT NULL, transformation TEXT NOT NULL,
                                extra TEXT NOT NULL, created_at INTEGER NOT NULL,
                                PRIMARY KEY (group_id, name)) WITHOUT ROWID;
    """,
    """
    CREATE TABLE query_definition (account TEXT NOT NULL, region TEXT NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL,
                                   query TEXT NOT NULL, groups TEXT NOT NULL, modified_at INTEGER NOT NULL,
                                   PRIMARY KEY (account, region, id)) WITHOUT ROWID;
    """,
    """
    CREATE TABLE subscription_filter (group_id INTEGER NOT NULL REFERENCES log_group (id) ON DELETE CASCADE,
                                      name TEXT NOT NULL, pattern TEXT NOT NULL, destination TEXT NOT NULL,
                                      extra TEXT NOT NULL, created_at INTEGER NOT NULL,
                                      PRIMARY KEY (group_id, name)) WITHOUT ROWID;
    CREATE TABLE resource_policy (account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL,
                                  document TEXT NOT NULL, updated_at INTEGER NOT NULL,
                                  PRIMARY KEY (account, region, name)) WITHOUT ROWID;
    """,
]


@dataclass(frozen=True, slots=True)
class Group:
    id: int
    account: str
    region: str
    name: str
    created_at: int
    retention_days: int | None
    log_class: str
    kms_key: str | None
    protected: bool
    """Whether it refuses to be deleted."""
    tags: Mapping[str, str]
    stored_bytes: int

    @property
    def arn(self) -> str:
        """Without the `:*` that stands for its streams."""
        return f"arn:aws:logs:{self.region}:{self.account}:log-group:{self.name}"

    def expiry(self, now: int) -> int:
        """Events before this time have expired."""
        return now - self.retention_days * DAY if self.retention_days else 0


@dataclass(frozen=True, slots=True)
class Stream:
    id: int
    name: str
    created_at: int
    first_event: int | None
    last_event: int | None
    last_ingestion: int | None
    events: int
    """How many were ever put; the next one's number is one more."""


@dataclass(frozen=True, slots=True)
class Event:
    stream_id: int
    at: int
    number: int
    """Counts from 1 within its stream."""
    ingested_at: int
    message: str


@dataclass(frozen=True, slots=True)
class MetricFilter:
    group_id: int
    group_name: str
    name: str
    pattern: str
    transformation: Mapping[str, Any]
    extra: Mapping[str, Any]
    """Members that are only kept: `applyOnTransformedLogs` and the like."""
    created_at: int


@dataclass(frozen=True, slots=True)
class SubscriptionFilter:
    name: str
    pattern: str
    destination: str
    """The ARN of a function."""
    extra: Mapping[str, Any]
    """Members that are only kept: `distribution`, `roleArn` and the like."""
    created_at: int


@dataclass(frozen=True, slots=True)
class ResourcePolicy:
    name: str
    document: str
    updated_at: int


@dataclass(frozen=True, slots=True)
class QueryDefinition:
    id: str
    name: str
    query: str
    groups: Sequence[str]
    """Names of the log groups that it is meant for."""
    modified_at: int


def event_id(event: Event) -> str:
    """56 digits, which sort as the events do."""
    return f"{event.at:020d}{event.stream_id:018d}{event.number:018d}"


def now_ms() -> int:
    return int(time.time() * 1000)


class LogStore:
    def __init__(self, database: Database) -> None:
        self._db = database
        self._db.migrate(SCHEMA)

    # Groups

    def add_group(
        self, account: str, region: str, name: str, log_class: str, kms_key: str | None, protected: bool, tags: Any
    ) -> bool:
        """False if it exists."""
        return bool(
            self._db.write(
                "INSERT OR IGNORE INTO log_group (account, region, name, created_at, class, kms_key, protected, tags) "
                "VALUES (?,?,?,?,?,?,?,?)",
                (account, region, name, now_ms(), log_class, kms_key, protected, json.dumps(tags)),
            )
        )

    def group(self, account: str, region: str, name: str) -> Group | None:
        row = self._db.read_one(
            "SELECT * FROM log_group WHERE account=? AND region=? AND name=?", (account, region, name)
        )
        return _group(row) if row else None

    def groups(self, account: str, region: str) -> list[Group]:
        """All of an account and region, by name."""
        rows = self._db.read("SELECT * FROM log_group WHERE account=? AND region=? ORDER BY name", (account, region))
        return [_group(row) for row in rows]

    def all_groups(self) -> list[Group]:
        return [_group(row) for row in self._db.read("SELECT * FROM log_group")]

    def delete_group(self, group: Group) -> None:
        self._db.write("DELETE FROM log_group WHERE id=?", (group.id,))

    def set_retention(self, group: Group, days: int | None) -> None:
        self._db.write("UPDATE log_group SET retention_days=? WHERE id=?", (days, group.id))

    def set_kms_key(self, group: Group, key: str | None) -> None:
        self._db.write("UPDATE log_group SET kms_key=? WHERE id=?", (key, group.id))

    def set_protected(self, group: Group, protected: bool) -> None:
        self._db.write("UPDATE log_group SET protected=? WHERE id=?", (protected, group.id))

    def set_tags(self, group: Group, tags: Mapping[str, str]) -> None:
        self._db.write("UPDATE log_group SET tags=? WHERE id=?", (json.dumps(tags), group.id))

    # Streams

    def add_stream(self, group: Group, name: str) -> bool:
        """False if it exists."""
        return bool(
            self._db.write(
                "INSERT OR IGNORE INTO log_stream (group_id, name, created_at) VALUES (?,?,?)",
                (group.id, name, now_ms()),
            )
        )

    def stream(self, group: Group, name: str) -> Stream | None:
        row = self._db.read_one("SELECT * FROM log_stream WHERE group_id=? AND name=?", (group.id, name))
        return _stream(row) if row else None

    def streams(self, group: Group) -> list[Stream]:
        """All of a group, by name."""
        rows = self._db.read("SELECT * FROM log_stream WHERE group_id=? ORDER BY name", (group.id,))
        return [_stream(row) for row in rows]

    def delete_stream(self, group: Group, stream: Stream) -> None:
        with self._db.transaction():
            self._forget(group.id, stream.id, before=None)
            self._db.write("DELETE FROM log_stream WHERE id=?", (stream.id,))

    # Events

    def add_events(self, group: Group, stream: Stream, events: Sequence[tuple[int, str]], size: int) -> list[Event]:
        """Append `(time, message)` pairs, which count `size` bytes together."""
        ingested_at = now_ms()
        with self._db.transaction() as connection:
            row = connection.execute("SELECT events FROM log_stream WHERE id=?", (stream.id,)).fetchone()
            first = row["events"] + 1
            added = [
                Event(stream.id, at, number, ingested_at, message) for number, (at, message) in enumerate(events, first)
            ]
            connection.executemany(
                "INSERT INTO log_event (stream_id, at, number, ingested_at, message) VALUES (?,?,?,?,?)",
                [(stream.id, e.at, e.number, ingested_at, e.message) for e in added],
            )
            earliest, latest = min(at for at, _ in events), max(at for at, _ in events)
            connection.execute(
                "UPDATE log_stream SET events=?, last_ingestion=?, first_event=MIN(COALESCE(first_event, ?), ?), "
                "last_event=MAX(COALESCE(last_event, ?), ?) WHERE id=?",
                (first + len(events) - 1, ingested_at, earliest, earliest, latest, latest, stream.id),
            )
            connection.execute("UPDATE log_group SET stored_bytes=stored_bytes+? WHERE id=?", (size, group.id))
        return added

    def events(
        self, stream_id: int, start: int, end: int, *, after: tuple[int, int] | None = None, limit: int
    ) -> list[Event]:
        """Events with `start <= at < end`, earliest first, behind the position `after` = (at, number)."""
        low = max((start, 0), after or (start, 0))
        rows = self._db.read(
            "SELECT * FROM log_event WHERE stream_id=? AND (at, number) > (?, ?) AND at < ? "
            "ORDER BY at, number LIMIT ?",
            (stream_id, *low, end, limit),
        )
        return [Event(*row) for row in rows]

    def events_backward(
        self, stream_id: int, start: int, end: int, *, before: tuple[int, int] | None = None, limit: int
    ) -> list[Event]:
        """Events with `start <= at < end`, latest first, in front of the position `before`."""
        high = min((end, 0), before or (end, 0))
        rows = self._db.read(
            "SELECT * FROM log_event WHERE stream_id=? AND (at, number) < (?, ?) AND at >= ? "
            "ORDER BY at DESC, number DESC LIMIT ?",
            (stream_id, *high, start, limit),
        )
        return [Event(*row) for row in rows]

    def merged(
        self, streams: Sequence[Stream], start: int, end: int, position: tuple[int, int, int] | None, backward: bool
    ) -> Iterator[Event]:
        """Events of several streams in order of time, behind `position` = (at, stream id, number) if given."""
        alive = [
            stream
            for stream in streams
            if stream.last_event is not None and stream.last_event >= start and (stream.first_event or 0) < end
        ]
        sources = [self._read_on(stream.id, start, end, position, backward) for stream in alive]
        return heapq.merge(*sources, key=_order, reverse=backward)

    def _read_on(
        self, stream_id: int, start: int, end: int, position: tuple[int, int, int] | None, backward: bool
    ) -> Iterator[Event]:
        here = None
        if position:
            at, last_stream, number = position
            if stream_id == last_stream:
                here = (at, number)
            elif backward:
                here = (at + 1, 0) if stream_id < last_stream else (at, 0)
            else:
                here = (at, 0) if stream_id > last_stream else (at + 1, 0)
        page = 64
        while True:
            if backward:
                events = self.events_backward(stream_id, start, end, before=here, limit=page)
            else:
                events = self.events(stream_id, start, end, after=here, limit=page)
            yield from events
            if len(events) < page:
                return
            here = (events[-1].at, events[-1].number)
            page = min(page * 4, 2_000)

    def trim(self, group: Group, before: int) -> None:
        """Forget the events of a group before a time."""
        with self._db.transaction():
            for stream in self.streams(group):
                if stream.first_event is not None and stream.first_event < before:
                    self._forget(group.id, stream.id, before)
                    self._db.write(
                        "UPDATE log_stream SET first_event=(SELECT MIN(at) FROM log_event WHERE stream_id=id), "
                        "last_event=(SELECT MAX(at) FROM log_event WHERE stream_id=id) WHERE id=?",
                        (stream.id,),
                    )

    def _forget(self, group_id: int, stream_id: int, before: int | None) -> None:
        until = 1 << 62 if before is None else before
        row = self._db.read_one(
            f"SELECT COALESCE(SUM(LENGTH(CAST(message AS BLOB)) + {EVENT_OVERHEAD}), 0) AS size FROM log_event "
            "WHERE stream_id=? AND at < ?",
            (stream_id, until),
        )
        self._db.write("DELETE FROM log_event WHERE stream_id=? AND at < ?", (stream_id, until))
        self._db.write(
            "UPDATE log_group SET stored_bytes=MAX(0, stored_bytes-?) WHERE id=?", (row["size"] if row else 0, group_id)
        )

    # Metric filters

    def put_metric_filter(
        self, group: Group, name: str, pattern: str, transformation: Mapping[str, Any], extra: Mapping[str, Any]
    ) -> None:
        self._db.write(
            "INSERT INTO metric_filter VALUES (?,?,?,?,?,?) ON CONFLICT DO UPDATE SET pattern=excluded.pattern, "
            "transformation=excluded.transformation, extra=excluded.extra",
            (group.id, name, pattern, json.dumps(transformation), json.dumps(extra), now_ms()),
        )

    def metric_filters(self, account: str, region: str) -> list[MetricFilter]:
        """All of an account and region, by name and group."""
        rows = self._db.read(
            "SELECT f.*, g.name AS group_name FROM metric_filter f JOIN log_group g ON g.id = f.group_id "
            "WHERE g.account=? AND g.region=? ORDER BY f.name, g.name",
            (account, region),
        )
        return [_metric_filter(row) for row in rows]

    def metric_filters_of(self, group: Group) -> list[MetricFilter]:
        rows = self._db.read(
            "SELECT f.*, ? AS group_name FROM metric_filter f WHERE group_id=? ORDER BY name", (group.name, group.id)
        )
        return [_metric_filter(row) for row in rows]

    def metric_filter_counts(self) -> dict[int, int]:
        """How many filters each group has, by group id; groups without any are left out."""
        rows = self._db.read("SELECT group_id, COUNT(*) AS count FROM metric_filter GROUP BY group_id")
        return {row["group_id"]: row["count"] for row in rows}

    def delete_metric_filter(self, group: Group, name: str) -> bool:
        return bool(self._db.write("DELETE FROM metric_filter WHERE group_id=? AND name=?", (group.id, name)))

    # Subscription filters

    def put_subscription_filter(
        self, group: Group, name: str, pattern: str, destination: str, extra: Mapping[str, Any]
    ) -> None:
        self._db.write(
            "INSERT INTO subscription_filter VALUES (?,?,?,?,?,?) ON CONFLICT DO UPDATE SET pattern=excluded.pattern, "
            "destination=excluded.destination, extra=excluded.extra",
            (group.id, name, pattern, destination, json.dumps(extra), now_ms()),
        )

    def subscription_filters(self, group: Group) -> list[SubscriptionFilter]:
        """All of a group, by name."""
        rows = self._db.read("SELECT * FROM subscription_filter WHERE group_id=? ORDER BY name", (group.id,))
        return [
            SubscriptionFilter(
                row["name"], row["pattern"], row["destination"], json.loads(row["extra"]), row["created_at"]
            )
            for row in rows
        ]

    def delete_subscription_filter(self, group: Group, name: str) -> bool:
        return bool(self._db.write("DELETE FROM subscription_filter WHERE group_id=? AND name=?", (group.id, name)))

    # Resource policies

    def put_resource_policy(self, account: str, region: str, policy: ResourcePolicy) -> None:
        self._db.write(
            "INSERT OR REPLACE INTO resource_policy VALUES (?,?,?,?,?)",
            (account, region, policy.name, policy.document, policy.updated_at),
        )

    def resource_policies(self, account: str, region: str) -> list[ResourcePolicy]:
        """All of an account and region, by name."""
        rows = self._db.read(
            "SELECT name, document, updated_at FROM resource_policy WHERE account=? AND region=? ORDER BY name",
            (account, region),
        )
        return [ResourcePolicy(*row) for row in rows]

    def delete_resource_policy(self, account: str, region: str, name: str) -> bool:
        return bool(
            self._db.write(
                "DELETE FROM resource_policy WHERE account=? AND region=? AND name=?", (account, region, name)
            )
        )

    # Query definitions

    def put_query_definition(self, account: str, region: str, definition: QueryDefinition) -> None:
        self._db.write(
            "INSERT OR REPLACE INTO query_definition VALUES (?,?,?,?,?,?,?)",
            (
                account,
                region,
                definition.id,
                definition.name,
                definition.query,
                json.dumps(list(definition.groups)),
                definition.modified_at,
            ),
        )

    def query_definitions(self, account: str, region: str) -> list[QueryDefinition]:
        """All of an account and region, by name."""
        rows = self._db.read(
            "SELECT * FROM query_definition WHERE account=? AND region=? ORDER BY name, id", (account, region)
        )
        return [
            QueryDefinition(row["id"], row["name"], row["query"], json.loads(row["groups"]), row["modified_at"])
            for row in rows
        ]

    def delete_query_definition(self, account: str, region: str, definition_id: str) -> bool:
        return bool(
            self._db.write(
                "DELETE FROM query_definition WHERE account=? AND region=? AND id=?", (account, region, definition_id)
            )
        )


def _order(event: Event) -> tuple[int, int, int]:
    return event.at, event.stream_id, event.number


def _group(row: Row) -> Group:
    return Group(
        row["id"],
        row["account"],
        row["region"],
        row["name"],
        row["created_at"],
        row["retention_days"],
        row["class"],
        row["kms_key"],
        bool(row["protected"]),
        json.loads(row["tags"]),
        row["stored_bytes"],
    )


def _stream(row: Row) -> Stream:
    return Stream(
        row["id"],
        row["name"],
        row["created_at"],
        row["first_event"],
        row["last_event"],
        row["last_ingestion"],
        row["events"],
    )


def _metric_filter(row: Row) -> MetricFilter:
    return MetricFilter(
        row["group_id"],
        row["group_name"],
        row["name"],
        row["pattern"],
        json.loads(row["transformation"]),
        json.loads(row["extra"]),
        row["created_at"],
    )
