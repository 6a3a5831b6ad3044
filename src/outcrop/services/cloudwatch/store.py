"""Metrics in SQLite: one row per metric, one per metric and stretch of time. Times are seconds since the epoch."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from outcrop.services.cloudwatch.statistics import Summary, unpack_values
from outcrop.storage import Database, Row

HOUR, DAY = 3600, 86_400

LIVES = ((1, 60, 3 * HOUR), (60, 300, 15 * DAY), (300, 3600, 63 * DAY))
"""Resolutions in seconds: rows of the first become rows of the second at this age."""

FORGOTTEN = 455 * DAY

SCHEMA = [
    """
    CREATE TABLE metric (id INTEGER PRIMARY KEY AUTOINCREMENT, account TEXT NOT NULL, region TEXT NOT NULL,
                         namespace TEXT NOT NULL, name TEXT NOT NULL, dimensions TEXT NOT NULL,
                         last_at INTEGER NOT NULL, UNIQUE (account, region, namespace, name, dimensions));
    CREATE TABLE datum (metric_id INTEGER NOT NULL REFERENCES metric (id) ON DELETE CASCADE, at INTEGER NOT NULL,
                        resolution INTEGER NOT NULL, unit TEXT NOT NULL, count REAL NOT NULL, total REAL NOT NULL,
                        least REAL NOT NULL, most REAL NOT NULL, value_counts BLOB,
                        PRIMARY KEY (metric_id, at, resolution, unit)) WITHOUT ROWID;
    CREATE INDEX datum_by_age ON datum (resolution, at);
    CREATE TABLE dashboard (account TEXT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL, modified_at REAL NOT NULL,
                            PRIMARY KEY (account, name)) WITHOUT ROWID;
    CREATE TABLE alarm (account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL, definition TEXT NOT NULL,
                        state TEXT NOT NULL, reason TEXT NOT NULL, reason_data TEXT NOT NULL,
                        configured_at REAL NOT NULL, updated_at REAL NOT NULL, changed_at REAL NOT NULL,
                        PRIMARY KEY (account, region, name)) WITHOUT ROWID;
    CREATE TABLE alarm_history (account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL, at REAL NOT NULL,
                                kind TEXT NOT NULL, summary TEXT NOT NULL, data TEXT NOT NULL);
    CREATE INDEX alarm_history_by_time ON alarm_history (account, region, at);
    CREATE TABLE tag (arn TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (arn, key)) WITHOUT ROWID;
    """
]

Dimensions = tuple[tuple[str, str], ...]
"""Name and value, by name."""


@dataclass(frozen=True, slots=True)
class MetricKey:
    account: str
    region: str
    namespace: str
    name: str
    dimensions: Dimensions


@dataclass(frozen=True, slots=True)
class Metric:
    id: int
    namespace: str
    name: str
    dimensions: Dimensions


@dataclass(frozen=True, slots=True)
class Datum:
    at: int
    unit: str
    summary: Summary


@dataclass(frozen=True, slots=True)
class Dashboard:
    account: str
    name: str
    body: str
    modified_at: float

    @property
    def arn(self) -> str:
        return f"arn:aws:cloudwatch::{self.account}:dashboard/{self.name}"


@dataclass(frozen=True, slots=True)
class Alarm:
    account: str
    region: str
    name: str
    definition: Mapping[str, Any]
    """What PutMetricAlarm was given."""
    state: str
    reason: str
    reason_data: str
    configured_at: float
    updated_at: float
    changed_at: float

    @property
    def arn(self) -> str:
        return f"arn:aws:cloudwatch:{self.region}:{self.account}:alarm:{self.name}"


@dataclass(frozen=True, slots=True)
class HistoryItem:
    alarm_name: str
    at: float
    kind: str
    """ConfigurationUpdate, StateUpdate or Action."""
    summary: str
    data: str


class MetricStore:
    def __init__(self, database: Database) -> None:
        self._db = database
        self._db.migrate(SCHEMA)

    # Metrics

    def add(self, samples: Mapping[tuple[MetricKey, int, int, str], Summary]) -> None:
        """Merge summaries by metric, time, resolution and unit into what is there, in one transaction."""
        with self._db.transaction():
            ids: dict[MetricKey, int] = {}
            for (key, at, resolution, unit), summary in samples.items():
                if key not in ids:
                    ids[key] = self._metric_id(key, at)
                self._merge(ids[key], at, resolution, unit, summary)

    def _metric_id(self, key: MetricKey, at: int) -> int:
        row = self._db.read_one(
            "INSERT INTO metric (account, region, namespace, name, dimensions, last_at) VALUES (?,?,?,?,?,?) "
            "ON CONFLICT DO UPDATE SET last_at=MAX(last_at, excluded.last_at) RETURNING id",
            (key.account, key.region, key.namespace, key.name, json.dumps(key.dimensions), at),
        )
        assert row is not None, "an upsert returns its row"
        return int(row["id"])

    def _merge(self, metric_id: int, at: int, resolution: int, unit: str, summary: Summary) -> None:
        row = self._db.read_one(
            "SELECT * FROM datum WHERE metric_id=? AND at=? AND resolution=? AND unit=?",
            (metric_id, at, resolution, unit),
        )
        if row:
            existing = _summary(row)
            existing.merge(summary)
            summary = existing
        self._db.write(
            "INSERT OR REPLACE INTO datum VALUES (?,?,?,?,?,?,?,?,?)",
            (
                metric_id,
                at,
                resolution,
                unit,
                summary.count,
                summary.total,
                summary.least,
                summary.most,
                summary.pack(),
            ),
        )

    def metrics(self, account: str, region: str, namespace: str | None, name: str | None, since: float) -> list[Metric]:
        """Those with data since then, in a steady order."""
        rows = self._db.read(
            "SELECT * FROM metric WHERE account=:account AND region=:region AND last_at >= :since "
            "AND (:namespace IS NULL OR namespace=:namespace) AND (:name IS NULL OR name=:name) "
            "ORDER BY namespace, name, dimensions",
            {"account": account, "region": region, "since": since, "namespace": namespace, "name": name},
        )
        return [
            Metric(row["id"], row["namespace"], row["name"], _dimensions(json.loads(row["dimensions"]))) for row in rows
        ]

    def data(self, key: MetricKey, start: int, end: int, period: int, unit: str | None) -> list[Datum]:
        """What is stored for `start <= at < end`, fine enough for the period."""
        rows = self._db.read(
            "SELECT d.* FROM metric m JOIN datum d ON d.metric_id = m.id WHERE m.account=? AND m.region=? "
            "AND m.namespace=? AND m.name=? AND m.dimensions=? AND d.at >= ? AND d.at < ? AND d.resolution <= ? "
            "AND (? IS NULL OR d.unit = ?) ORDER BY d.at",
            (
                key.account,
                key.region,
                key.namespace,
                key.name,
                json.dumps(key.dimensions),
                start,
                end,
                period,
                unit,
                unit,
            ),
        )
        return [Datum(row["at"], row["unit"], _summary(row)) for row in rows]

    def age(self, now: float | None = None, batch: int = 5_000) -> None:
        """Make old data coarser and forget what is very old, in short transactions."""
        now = time.time() if now is None else now
        for fine, coarse, age in LIVES:
            until = int(now - age) // coarse * coarse
            while self._coarsen(fine, coarse, until, batch):
                pass
        self._db.write("DELETE FROM datum WHERE resolution=3600 AND at < ?", (int(now - FORGOTTEN),))
        self._db.write("DELETE FROM metric WHERE last_at < ?", (int(now - FORGOTTEN),))

    def _coarsen(self, fine: int, coarse: int, until: int, batch: int) -> bool:
        with self._db.transaction():
            rows = self._db.read(
                "SELECT * FROM datum WHERE resolution=? AND at < ? ORDER BY at LIMIT ?", (fine, until, batch)
            )
            for row in rows:
                at = row["at"] // coarse * coarse
                self._merge(row["metric_id"], at, coarse, row["unit"], _summary(row))
                self._db.write(
                    "DELETE FROM datum WHERE metric_id=? AND at=? AND resolution=? AND unit=?",
                    (row["metric_id"], row["at"], fine, row["unit"]),
                )
        return len(rows) == batch

    # Alarms

    def put_alarm(self, account: str, region: str, name: str, definition: Mapping[str, Any]) -> bool:
        """Whether it is new. One that is there keeps its state."""
        now = time.time()
        with self._db.transaction():
            known = self.alarm(account, region, name)
            self._db.write(
                "INSERT INTO alarm VALUES (?,?,?,?,'INSUFFICIENT_DATA','Unchecked: Initial alarm creation','',?,?,?) "
                "ON CONFLICT DO UPDATE SET definition=excluded.definition, configured_at=excluded.configured_at",
                (account, region, name, json.dumps(definition), now, now, now),
            )
        return known is None

    def alarm(self, account: str, region: str, name: str) -> Alarm | None:
        row = self._db.read_one("SELECT * FROM alarm WHERE account=? AND region=? AND name=?", (account, region, name))
        return _alarm(row) if row else None

    def alarms(self, account: str, region: str) -> list[Alarm]:
        """By name."""
        rows = self._db.read("SELECT * FROM alarm WHERE account=? AND region=? ORDER BY name", (account, region))
        return [_alarm(row) for row in rows]

    def all_alarms(self) -> list[Alarm]:
        return [_alarm(row) for row in self._db.read("SELECT * FROM alarm")]

    def set_alarm_state(self, alarm: Alarm, state: str, reason: str, reason_data: str) -> None:
        now = time.time()
        self._db.write(
            "UPDATE alarm SET state=?, reason=?, reason_data=?, updated_at=?, changed_at=IIF(state=?, changed_at, ?) "
            "WHERE account=? AND region=? AND name=?",
            (state, reason, reason_data, now, state, now, alarm.account, alarm.region, alarm.name),
        )

    def delete_alarm(self, alarm: Alarm) -> None:
        with self._db.transaction():
            key = (alarm.account, alarm.region, alarm.name)
            self._db.write("DELETE FROM alarm WHERE account=? AND region=? AND name=?", key)
            self.delete_tags(alarm.arn)

    def add_history(self, alarm: Alarm, kind: str, summary: str, data: Mapping[str, Any]) -> None:
        """Remember what happened; old items of the alarm are forgotten."""
        key = (alarm.account, alarm.region, alarm.name)
        with self._db.transaction():
            self._db.write(
                "INSERT INTO alarm_history VALUES (?,?,?,?,?,?,?)",
                (*key, time.time(), kind, summary[:255], json.dumps(data)[:4095]),
            )
            self._db.write(
                "DELETE FROM alarm_history WHERE account=? AND region=? AND name=? AND at < ?",
                (*key, time.time() - 30 * DAY),
            )

    def history(self, account: str, region: str) -> list[HistoryItem]:
        """Newest first."""
        rows = self._db.read(
            "SELECT name, at, kind, summary, data FROM alarm_history WHERE account=? AND region=? "
            "ORDER BY at DESC, rowid DESC",
            (account, region),
        )
        return [HistoryItem(*row) for row in rows]

    # Dashboards

    def put_dashboard(self, account: str, name: str, body: str) -> bool:
        """Whether it is new."""
        with self._db.transaction():
            known = self.dashboard(account, name)
            self._db.write("INSERT OR REPLACE INTO dashboard VALUES (?,?,?,?)", (account, name, body, time.time()))
        return known is None

    def dashboard(self, account: str, name: str) -> Dashboard | None:
        row = self._db.read_one("SELECT * FROM dashboard WHERE account=? AND name=?", (account, name))
        return Dashboard(*row) if row else None

    def dashboards(self, account: str) -> list[Dashboard]:
        """By name."""
        return [
            Dashboard(*row)
            for row in self._db.read("SELECT * FROM dashboard WHERE account=? ORDER BY name", (account,))
        ]

    def delete_dashboards(self, account: str, names: Iterable[str]) -> None:
        self._db.write_many("DELETE FROM dashboard WHERE account=? AND name=?", [(account, name) for name in names])

    # Tags

    def tags(self, arn: str) -> dict[str, str]:
        rows = self._db.read("SELECT key, value FROM tag WHERE arn=? ORDER BY key", (arn,))
        return {row["key"]: row["value"] for row in rows}

    def set_tags(self, arn: str, tags: Mapping[str, str]) -> None:
        self._db.write_many("INSERT OR REPLACE INTO tag VALUES (?,?,?)", [(arn, *pair) for pair in tags.items()])

    def delete_tags(self, arn: str, keys: Sequence[str] | None = None) -> None:
        """Some tags of a resource, or all."""
        if keys is None:
            self._db.write("DELETE FROM tag WHERE arn=?", (arn,))
        else:
            self._db.write_many("DELETE FROM tag WHERE arn=? AND key=?", [(arn, key) for key in keys])


def _dimensions(pairs: Sequence[Sequence[Any]]) -> Dimensions:
    return tuple((name, value) for name, value in pairs)


def _summary(row: Row) -> Summary:
    return Summary(row["count"], row["total"], row["least"], row["most"], unpack_values(row["value_counts"]))


def _alarm(row: Row) -> Alarm:
    return Alarm(
        row["account"],
        row["region"],
        row["name"],
        json.loads(row["definition"]),
        row["state"],
        row["reason"],
        row["reason_data"],
        row["configured_at"],
        row["updated_at"],
        row["changed_at"],
    )
