"""HTTP APIs in SQLite. A definition is what the caller gave, under the model's own member names."""

from __future__ import annotations

import json
import secrets
import string
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from outcrop.storage import Database, Row

SCHEMA = [
    """
    CREATE TABLE api (id TEXT PRIMARY KEY, account TEXT NOT NULL, region TEXT NOT NULL, definition TEXT NOT NULL,
                      tags TEXT NOT NULL, created_at REAL NOT NULL);
    CREATE INDEX api_by_owner ON api (account, region, created_at);
    CREATE TABLE part (api_id TEXT NOT NULL REFERENCES api (id) ON DELETE CASCADE, kind TEXT NOT NULL,
                       id TEXT NOT NULL, definition TEXT NOT NULL, created_at REAL NOT NULL,
                       PRIMARY KEY (api_id, kind, id)) WITHOUT ROWID;
    CREATE TABLE stage (api_id TEXT NOT NULL REFERENCES api (id) ON DELETE CASCADE, name TEXT NOT NULL,
                        definition TEXT NOT NULL, tags TEXT NOT NULL, created_at REAL NOT NULL,
                        updated_at REAL NOT NULL, PRIMARY KEY (api_id, name)) WITHOUT ROWID;
    CREATE TABLE deployment (api_id TEXT NOT NULL REFERENCES api (id) ON DELETE CASCADE, id TEXT NOT NULL,
                             description TEXT NOT NULL, automatic INTEGER NOT NULL, snapshot TEXT NOT NULL,
                             created_at REAL NOT NULL, PRIMARY KEY (api_id, id)) WITHOUT ROWID;
    """
]

Kind = Literal["route", "integration", "authorizer", "route_response", "integration_response"]
Definition = Mapping[str, Any]

_LETTERS = string.ascii_lowercase + string.digits


@dataclass(frozen=True, slots=True)
class Api:
    id: str
    account: str
    region: str
    definition: Definition
    tags: Mapping[str, str]
    created_at: float


@dataclass(frozen=True, slots=True)
class Part:
    """A route, an integration or an authorizer."""

    api_id: str
    kind: Kind
    id: str
    definition: Definition


@dataclass(frozen=True, slots=True)
class Stage:
    api_id: str
    name: str
    definition: Definition
    """`DeploymentId` and `LastDeploymentStatusMessage` among it."""
    tags: Mapping[str, str]
    created_at: float
    updated_at: float


@dataclass(frozen=True, slots=True)
class Deployment:
    api_id: str
    id: str
    description: str
    automatic: bool
    snapshot: Mapping[str, Any]
    """`api`: its definition; `routes`, `integrations`, `authorizers`: definitions by id."""
    created_at: float


def is_websocket(definition: Definition) -> bool:
    """Whether an API's definition is a WebSocket API's."""
    return bool(definition.get("ProtocolType") == "WEBSOCKET")


def new_id(length: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(length))


class ApiStore:
    def __init__(self, database: Database) -> None:
        self._db = database
        self._db.migrate(SCHEMA)

    # APIs

    def add_api(self, api_id: str, account: str, region: str, definition: Definition, tags: Mapping[str, str]) -> bool:
        """False if the id is taken."""
        return bool(
            self._db.write(
                "INSERT OR IGNORE INTO api VALUES (?,?,?,?,?,?)",
                (api_id, account, region, json.dumps(definition), json.dumps(tags), time.time()),
            )
        )

    def api(self, api_id: str) -> Api | None:
        row = self._db.read_one("SELECT * FROM api WHERE id=?", (api_id,))
        return _api(row) if row else None

    def apis(self, account: str, region: str) -> list[Api]:
        """Oldest first."""
        rows = self._db.read(
            "SELECT * FROM api WHERE account=? AND region=? ORDER BY created_at, id", (account, region)
        )
        return [_api(row) for row in rows]

    def set_api(self, api: Api, definition: Definition) -> None:
        self._db.write("UPDATE api SET definition=? WHERE id=?", (json.dumps(definition), api.id))

    def set_api_tags(self, api: Api, tags: Mapping[str, str]) -> None:
        self._db.write("UPDATE api SET tags=? WHERE id=?", (json.dumps(tags), api.id))

    def delete_api(self, api: Api) -> None:
        self._db.write("DELETE FROM api WHERE id=?", (api.id,))

    # Routes, integrations, authorizers

    def put_part(self, part: Part) -> None:
        self._db.write(
            "INSERT INTO part VALUES (?,?,?,?,?) ON CONFLICT DO UPDATE SET definition=excluded.definition",
            (part.api_id, part.kind, part.id, json.dumps(part.definition), time.time()),
        )

    def part(self, api_id: str, kind: Kind, part_id: str) -> Part | None:
        row = self._db.read_one("SELECT * FROM part WHERE api_id=? AND kind=? AND id=?", (api_id, kind, part_id))
        return _part(row) if row else None

    def parts(self, api_id: str, kind: Kind) -> list[Part]:
        """Oldest first."""
        rows = self._db.read("SELECT * FROM part WHERE api_id=? AND kind=? ORDER BY created_at, id", (api_id, kind))
        return [_part(row) for row in rows]

    def delete_part(self, part: Part) -> None:
        self._db.write("DELETE FROM part WHERE api_id=? AND kind=? AND id=?", (part.api_id, part.kind, part.id))

    # Stages

    def add_stage(self, api_id: str, name: str, definition: Definition, tags: Mapping[str, str]) -> bool:
        """False if there is one of this name."""
        now = time.time()
        return bool(
            self._db.write(
                "INSERT OR IGNORE INTO stage VALUES (?,?,?,?,?,?)",
                (api_id, name, json.dumps(definition), json.dumps(tags), now, now),
            )
        )

    def stage(self, api_id: str, name: str) -> Stage | None:
        row = self._db.read_one("SELECT * FROM stage WHERE api_id=? AND name=?", (api_id, name))
        return _stage(row) if row else None

    def stages(self, api_id: str) -> list[Stage]:
        """By name."""
        return [_stage(row) for row in self._db.read("SELECT * FROM stage WHERE api_id=? ORDER BY name", (api_id,))]

    def set_stage(self, stage: Stage, definition: Definition) -> None:
        self._db.write(
            "UPDATE stage SET definition=?, updated_at=? WHERE api_id=? AND name=?",
            (json.dumps(definition), time.time(), stage.api_id, stage.name),
        )

    def set_stage_tags(self, stage: Stage, tags: Mapping[str, str]) -> None:
        self._db.write(
            "UPDATE stage SET tags=? WHERE api_id=? AND name=?", (json.dumps(tags), stage.api_id, stage.name)
        )

    def delete_stage(self, stage: Stage) -> None:
        self._db.write("DELETE FROM stage WHERE api_id=? AND name=?", (stage.api_id, stage.name))

    # Deployments

    def add_deployment(self, deployment: Deployment) -> None:
        self._db.write(
            "INSERT INTO deployment VALUES (?,?,?,?,?,?)",
            (
                deployment.api_id,
                deployment.id,
                deployment.description,
                deployment.automatic,
                json.dumps(deployment.snapshot),
                deployment.created_at,
            ),
        )

    def deployment(self, api_id: str, deployment_id: str) -> Deployment | None:
        row = self._db.read_one("SELECT * FROM deployment WHERE api_id=? AND id=?", (api_id, deployment_id))
        return _deployment(row) if row else None

    def deployments(self, api_id: str) -> list[Deployment]:
        """Newest first."""
        rows = self._db.read("SELECT * FROM deployment WHERE api_id=? ORDER BY created_at DESC", (api_id,))
        return [_deployment(row) for row in rows]

    def describe_deployment(self, deployment: Deployment, description: str) -> None:
        self._db.write(
            "UPDATE deployment SET description=? WHERE api_id=? AND id=?",
            (description, deployment.api_id, deployment.id),
        )

    def delete_deployment(self, deployment: Deployment) -> None:
        self._db.write("DELETE FROM deployment WHERE api_id=? AND id=?", (deployment.api_id, deployment.id))

    def prune_automatic(self, api_id: str, keep: Sequence[str], newest: int) -> None:
        """Forget automatic deployments but the newest so many and those that stages use."""
        rows = self._db.read(
            "SELECT id FROM deployment WHERE api_id=? AND automatic ORDER BY created_at DESC LIMIT -1 OFFSET ?",
            (api_id, newest),
        )
        self._db.write_many(
            "DELETE FROM deployment WHERE api_id=? AND id=?",
            [(api_id, row["id"]) for row in rows if row["id"] not in keep],
        )


def _api(row: Row) -> Api:
    return Api(
        row["id"],
        row["account"],
        row["region"],
        json.loads(row["definition"]),
        json.loads(row["tags"]),
        row["created_at"],
    )


def _part(row: Row) -> Part:
    return Part(row["api_id"], row["kind"], row["id"], json.loads(row["definition"]))


def _stage(row: Row) -> Stage:
    return Stage(
        row["api_id"],
        row["name"],
        json.loads(row["definition"]),
        json.loads(row["tags"]),
        row["created_at"],
        row["updated_at"],
    )


def _deployment(row: Row) -> Deployment:
    return Deployment(
        row["api_id"],
        row["id"],
        row["description"],
        bool(row["automatic"]),
        json.loads(row["snapshot"]),
        row["created_at"],
    )
