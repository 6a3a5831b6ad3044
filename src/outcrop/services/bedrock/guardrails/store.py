"""Rows of guardrails: one for each version, DRAFT among them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from outcrop.storage import Database
    from outcrop.storage.database import Row

DRAFT = "DRAFT"

SCHEMA = [
    """
    CREATE TABLE guardrail (id TEXT PRIMARY KEY, account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL,
                            token TEXT, last_version INTEGER NOT NULL, created_at REAL NOT NULL);
    CREATE UNIQUE INDEX guardrail_by_name ON guardrail (account, region, name);
    CREATE UNIQUE INDEX guardrail_by_token ON guardrail (account, region, token) WHERE token IS NOT NULL;
    CREATE TABLE guardrail_version (id TEXT NOT NULL REFERENCES guardrail (id) ON DELETE CASCADE, version TEXT NOT NULL,
                                    number INTEGER NOT NULL, name TEXT NOT NULL, description TEXT,
                                    policies TEXT NOT NULL, token TEXT, created_at REAL NOT NULL,
                                    updated_at REAL NOT NULL, PRIMARY KEY (id, version));
    CREATE UNIQUE INDEX version_by_token ON guardrail_version (id, token) WHERE token IS NOT NULL
    """
]
_JOINED = "SELECT v.*, g.account, g.region FROM guardrail_version v JOIN guardrail g USING (id) WHERE "


@dataclass(frozen=True, slots=True)
class Guardrail:
    """One version of a guardrail."""

    id: str
    account: str
    region: str
    version: str
    name: str
    description: str | None
    policies: Mapping[str, Any]
    """As GetGuardrail tells them, and the two messages."""
    created_at: float
    updated_at: float

    @property
    def arn(self) -> str:
        return f"arn:aws:bedrock:{self.region}:{self.account}:guardrail/{self.id}"


class NameTaken(Exception):
    """Another guardrail of the account has this name."""


class GuardrailStore:
    def __init__(self, database: Database) -> None:
        self._db = database
        self._db.migrate(SCHEMA)

    def add(self, guardrail: Guardrail, token: str | None) -> None:
        """Raises NameTaken."""
        one = guardrail
        with self._db.transaction():
            self._refuse_name(one)
            self._db.write(
                "INSERT INTO guardrail VALUES (?,?,?,?,?,0,?)",
                (one.id, one.account, one.region, one.name, token, one.created_at),
            )
            self._add_version(one, 0, None)

    def update(self, guardrail: Guardrail) -> None:
        """Replace the draft. Raises NameTaken."""
        one = guardrail
        with self._db.transaction():
            self._refuse_name(one)
            self._db.write("UPDATE guardrail SET name=? WHERE id=?", (one.name, one.id))
            self._db.write(
                "UPDATE guardrail_version SET name=?, description=?, policies=?, updated_at=? "
                "WHERE id=? AND version='DRAFT'",
                (one.name, one.description, json.dumps(one.policies), one.updated_at, one.id),
            )

    def add_version(self, draft: Guardrail, description: str | None, token: str | None, now: float) -> Guardrail:
        """The draft as it is now, under the next number; the same again for the same token."""
        with self._db.transaction():
            if token is not None:
                row = self._db.read_one(_JOINED + "id=? AND v.token=?", (draft.id, token))
                if row is not None:
                    return _guardrail(row)
            self._db.write("UPDATE guardrail SET last_version=last_version+1 WHERE id=?", (draft.id,))
            row = self._db.read_one("SELECT last_version FROM guardrail WHERE id=?", (draft.id,))
            number = int(row["last_version"]) if row else 1
            made = Guardrail(
                draft.id, draft.account, draft.region, str(number), draft.name, description, draft.policies, now, now
            )
            self._add_version(made, number, token)
            return made

    def find(self, account: str, region: str, guardrail_id: str, version: str) -> Guardrail | None:
        row = self._db.read_one(
            _JOINED + "id=? AND v.version=? AND g.account=? AND g.region=?", (guardrail_id, version, account, region)
        )
        return _guardrail(row) if row else None

    def by_token(self, account: str, region: str, token: str) -> Guardrail | None:
        row = self._db.read_one(
            _JOINED + "g.token=? AND g.account=? AND g.region=? AND v.version='DRAFT'", (token, account, region)
        )
        return _guardrail(row) if row else None

    def drafts(self, account: str, region: str) -> list[Guardrail]:
        rows = self._db.read(
            _JOINED + "g.account=? AND g.region=? AND v.version='DRAFT' ORDER BY g.created_at, id", (account, region)
        )
        return [_guardrail(row) for row in rows]

    def versions(self, account: str, region: str, guardrail_id: str) -> list[Guardrail]:
        """DRAFT first, then by number."""
        rows = self._db.read(
            _JOINED + "g.account=? AND g.region=? AND id=? ORDER BY v.number", (account, region, guardrail_id)
        )
        return [_guardrail(row) for row in rows]

    def delete(self, guardrail_id: str) -> None:
        with self._db.transaction():
            self._db.write("DELETE FROM guardrail_version WHERE id=?", (guardrail_id,))
            self._db.write("DELETE FROM guardrail WHERE id=?", (guardrail_id,))

    def delete_version(self, guardrail_id: str, version: str) -> None:
        self._db.write("DELETE FROM guardrail_version WHERE id=? AND version=?", (guardrail_id, version))

    def _refuse_name(self, one: Guardrail) -> None:
        taken = self._db.read_one(
            "SELECT id FROM guardrail WHERE account=? AND region=? AND name=? AND id<>?",
            (one.account, one.region, one.name, one.id),
        )
        if taken is not None:
            raise NameTaken(one.name)

    def _add_version(self, one: Guardrail, number: int, token: str | None) -> None:
        self._db.write(
            "INSERT INTO guardrail_version VALUES (?,?,?,?,?,?,?,?,?)",
            (
                one.id,
                one.version,
                number,
                one.name,
                one.description,
                json.dumps(one.policies),
                token,
                one.created_at,
                one.updated_at,
            ),
        )


def _guardrail(row: Row) -> Guardrail:
    return Guardrail(
        row["id"],
        row["account"],
        row["region"],
        row["version"],
        row["name"],
        row["description"],
        json.loads(row["policies"]),
        row["created_at"],
        row["updated_at"],
    )
