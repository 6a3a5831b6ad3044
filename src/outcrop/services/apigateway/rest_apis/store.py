"""REST APIs in SQLite, and what belongs to an account beside them. A definition is what the caller gave, under the
model's own member names."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from outcrop.storage import Database, Row

SCHEMA = [
    """
    CREATE TABLE api (id TEXT PRIMARY KEY, account TEXT NOT NULL, region TEXT NOT NULL, definition TEXT NOT NULL,
                      created_at REAL NOT NULL);
    CREATE INDEX api_by_owner ON api (account, region, created_at);
    CREATE TABLE part (api_id TEXT NOT NULL REFERENCES api (id) ON DELETE CASCADE, kind TEXT NOT NULL,
                       id TEXT NOT NULL, definition TEXT NOT NULL, created_at REAL NOT NULL,
                       PRIMARY KEY (api_id, kind, id)) WITHOUT ROWID;
    CREATE TABLE thing (account TEXT NOT NULL, region TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL,
                        definition TEXT NOT NULL, created_at REAL NOT NULL, updated_at REAL NOT NULL,
                        PRIMARY KEY (account, region, kind, id)) WITHOUT ROWID;
    CREATE TABLE usage (plan_id TEXT NOT NULL, key_id TEXT NOT NULL, day TEXT NOT NULL, used INTEGER NOT NULL,
                        PRIMARY KEY (plan_id, key_id, day)) WITHOUT ROWID;
    """
]

PartKind = Literal[
    "authorizer",
    "deployment",
    "documentation_part",
    "documentation_version",
    "gateway_response",
    "model",
    "resource",
    "stage",
    "validator",
]
ThingKind = Literal[
    "account",
    "api_key",
    "base_path_mapping",
    "domain_name",
    "plan_key",
    "usage_plan",
    "vpc_link",
]
Definition = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RestApi:
    id: str
    account: str
    region: str
    definition: Definition
    created_at: float


@dataclass(frozen=True, slots=True)
class Part:
    """Something inside an API. Stages and deployments are parts too: a stage's id is its name, and a deployment's
    definition holds its `snapshot`."""

    api_id: str
    kind: PartKind
    id: str
    definition: Definition
    created_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Thing:
    """Something of an account in a region."""

    account: str
    region: str
    kind: ThingKind
    id: str
    definition: Definition
    created_at: float = 0.0
    updated_at: float = 0.0


class RestStore:
    def __init__(self, database: Database) -> None:
        self._db = database
        self._db.migrate(SCHEMA)

    # APIs

    def add_api(self, api: RestApi) -> bool:
        """False if the id is taken."""
        return bool(
            self._db.write(
                "INSERT OR IGNORE INTO api VALUES (?,?,?,?,?)",
                (api.id, api.account, api.region, json.dumps(api.definition), api.created_at),
            )
        )

    def api(self, api_id: str) -> RestApi | None:
        row = self._db.read_one("SELECT * FROM api WHERE id=?", (api_id,))
        return _api(row) if row else None

    def apis(self, account: str, region: str) -> list[RestApi]:
        """Oldest first."""
        rows = self._db.read(
            "SELECT * FROM api WHERE account=? AND region=? ORDER BY created_at, id", (account, region)
        )
        return [_api(row) for row in rows]

    def set_api(self, api_id: str, definition: Definition) -> None:
        self._db.write("UPDATE api SET definition=? WHERE id=?", (json.dumps(definition), api_id))

    def delete_api(self, api_id: str) -> None:
        self._db.write("DELETE FROM api WHERE id=?", (api_id,))

    # Parts

    def put(self, *parts: Part) -> None:
        """Write parts, all or none."""
        now = time.time()
        self._db.write_many(
            "INSERT INTO part VALUES (?,?,?,?,?) ON CONFLICT DO UPDATE SET definition=excluded.definition",
            [
                (part.api_id, part.kind, part.id, json.dumps(part.definition), now + number * 1e-6)
                for number, part in enumerate(parts)
            ],
        )

    def part(self, api_id: str, kind: PartKind, part_id: str) -> Part | None:
        row = self._db.read_one("SELECT * FROM part WHERE api_id=? AND kind=? AND id=?", (api_id, kind, part_id))
        return _part(row) if row else None

    def parts(self, api_id: str, kind: PartKind) -> list[Part]:
        """Oldest first."""
        rows = self._db.read("SELECT * FROM part WHERE api_id=? AND kind=? ORDER BY created_at, id", (api_id, kind))
        return [_part(row) for row in rows]

    def delete(self, *parts: Part) -> None:
        self._db.write_many(
            "DELETE FROM part WHERE api_id=? AND kind=? AND id=?", [(part.api_id, part.kind, part.id) for part in parts]
        )

    # Things

    def put_thing(self, thing: Thing) -> None:
        now = time.time()
        self._db.write(
            "INSERT INTO thing VALUES (?,?,?,?,?,?,?) ON CONFLICT DO UPDATE SET definition=excluded.definition, "
            "updated_at=excluded.updated_at",
            (thing.account, thing.region, thing.kind, thing.id, json.dumps(thing.definition), now, now),
        )

    def thing(self, account: str, region: str, kind: ThingKind, thing_id: str) -> Thing | None:
        row = self._db.read_one(
            "SELECT * FROM thing WHERE account=? AND region=? AND kind=? AND id=?", (account, region, kind, thing_id)
        )
        return _thing(row) if row else None

    def things(self, account: str, region: str, kind: ThingKind) -> list[Thing]:
        """Oldest first."""
        rows = self._db.read(
            "SELECT * FROM thing WHERE account=? AND region=? AND kind=? ORDER BY created_at, id",
            (account, region, kind),
        )
        return [_thing(row) for row in rows]

    def things_anywhere(self, kind: ThingKind) -> list[Thing]:
        """Of all accounts and regions."""
        return [_thing(row) for row in self._db.read("SELECT * FROM thing WHERE kind=? ORDER BY created_at", (kind,))]

    def delete_thing(self, thing: Thing) -> None:
        self._db.write(
            "DELETE FROM thing WHERE account=? AND region=? AND kind=? AND id=?",
            (thing.account, thing.region, thing.kind, thing.id),
        )

    # Usage of plans

    def use(self, counts: Mapping[tuple[str, str, str], int]) -> None:
        """Add requests to what keys have used; by plan, key and day (`2026-11-28`)."""
        self._db.write_many(
            "INSERT INTO usage VALUES (?,?,?,?) ON CONFLICT DO UPDATE SET used=used+excluded.used",
            [(*place, count) for place, count in counts.items()],
        )

    def set_used(self, plan_id: str, key_id: str, day: str, used: int) -> None:
        self._db.write(
            "INSERT INTO usage VALUES (?,?,?,?) ON CONFLICT DO UPDATE SET used=excluded.used",
            (plan_id, key_id, day, used),
        )

    def used(self, plan_id: str, first: str, last: str) -> dict[str, dict[str, int]]:
        """Requests by key and day."""
        found: dict[str, dict[str, int]] = {}
        for row in self._db.read(
            "SELECT * FROM usage WHERE plan_id=? AND day BETWEEN ? AND ? ORDER BY day", (plan_id, first, last)
        ):
            found.setdefault(row["key_id"], {})[row["day"]] = row["used"]
        return found


def _api(row: Row) -> RestApi:
    return RestApi(row["id"], row["account"], row["region"], json.loads(row["definition"]), row["created_at"])


def _part(row: Row) -> Part:
    return Part(row["api_id"], row["kind"], row["id"], json.loads(row["definition"]), row["created_at"])


def _thing(row: Row) -> Thing:
    return Thing(
        row["account"],
        row["region"],
        row["kind"],
        row["id"],
        json.loads(row["definition"]),
        row["created_at"],
        row["updated_at"],
    )
