"""Rows of what Bedrock keeps about models: application inference profiles, tags, agreements."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from outcrop.storage import Database
    from outcrop.storage.database import Row

SCHEMA = [
    """
    CREATE TABLE profile (id TEXT PRIMARY KEY, account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL,
                          description TEXT, source TEXT NOT NULL, model TEXT NOT NULL, models TEXT NOT NULL,
                          token TEXT, created_at REAL NOT NULL);
    CREATE UNIQUE INDEX profile_by_token ON profile (account, region, token) WHERE token IS NOT NULL;
    CREATE TABLE tag (arn TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (arn, key));
    CREATE TABLE agreement (account TEXT NOT NULL, model TEXT NOT NULL, given_up INTEGER NOT NULL,
                            PRIMARY KEY (account, model));
    CREATE TABLE use_case (account TEXT PRIMARY KEY, form BLOB NOT NULL)
    """,
    """
    CREATE TABLE async_invoke (id TEXT PRIMARY KEY, account TEXT NOT NULL, region TEXT NOT NULL, model TEXT NOT NULL,
                               input TEXT NOT NULL, output TEXT NOT NULL, token TEXT, status TEXT NOT NULL,
                               failure TEXT, submitted_at REAL NOT NULL, modified_at REAL NOT NULL, ended_at REAL);
    CREATE UNIQUE INDEX async_invoke_by_token ON async_invoke (account, region, token) WHERE token IS NOT NULL
    """,
]


@dataclass(frozen=True, slots=True)
class ApplicationProfile:
    """An inference profile that an account made, to tell its uses of a model apart."""

    id: str
    account: str
    region: str
    name: str
    description: str | None
    source: str
    """ARN of the model or system profile that it was copied from."""
    model: str
    """Id of the model behind it."""
    models: tuple[str, ...]
    """ARNs of the models that it routes to."""
    token: str | None
    created_at: float

    @property
    def arn(self) -> str:
        return f"arn:aws:bedrock:{self.region}:{self.account}:application-inference-profile/{self.id}"


@dataclass(frozen=True, slots=True)
class AsyncInvoke:
    """An invocation in the background."""

    id: str
    account: str
    region: str
    model: str
    """ARN of the model."""
    input: Any
    output: str
    """The S3 URI that the caller gave."""
    token: str | None
    status: str
    """`InProgress`, `Completed` or `Failed`."""
    failure: str | None
    submitted_at: float
    modified_at: float
    ended_at: float | None

    @property
    def arn(self) -> str:
        return f"arn:aws:bedrock:{self.region}:{self.account}:async-invoke/{self.id}"


class BedrockStore:
    def __init__(self, database: Database) -> None:
        self._db = database
        self._db.migrate(SCHEMA)

    # application inference profiles

    def add_profile(self, profile: ApplicationProfile, tags: Mapping[str, str]) -> None:
        with self._db.transaction():
            self._db.write(
                "INSERT INTO profile VALUES (?,?,?,?,?,?,?,?,?,?)",
                (
                    profile.id,
                    profile.account,
                    profile.region,
                    profile.name,
                    profile.description,
                    profile.source,
                    profile.model,
                    json.dumps(profile.models),
                    profile.token,
                    profile.created_at,
                ),
            )
            self.tag(profile.arn, tags)

    def profile(self, account: str, region: str, profile_id: str) -> ApplicationProfile | None:
        return _profile(
            self._db.read_one(
                "SELECT * FROM profile WHERE id=? AND account=? AND region=?", (profile_id, account, region)
            )
        )

    def profile_by_token(self, account: str, region: str, token: str) -> ApplicationProfile | None:
        return _profile(
            self._db.read_one(
                "SELECT * FROM profile WHERE token=? AND account=? AND region=?", (token, account, region)
            )
        )

    def profiles(self, account: str, region: str) -> list[ApplicationProfile]:
        rows = self._db.read("SELECT * FROM profile WHERE account=? AND region=? ORDER BY id", (account, region))
        return [profile for row in rows if (profile := _profile(row))]

    def delete_profile(self, profile: ApplicationProfile) -> None:
        with self._db.transaction():
            self._db.write("DELETE FROM profile WHERE id=?", (profile.id,))
            self.untag(profile.arn)

    # tags

    def tag(self, arn: str, tags: Mapping[str, str]) -> None:
        self._db.write_many(
            "INSERT OR REPLACE INTO tag VALUES (?,?,?)", [(arn, key, value) for key, value in tags.items()]
        )

    def untag(self, arn: str, keys: Sequence[str] | None = None) -> None:
        """Without `keys` all of them."""
        if keys is None:
            self._db.write("DELETE FROM tag WHERE arn=?", (arn,))
        else:
            self._db.write_many("DELETE FROM tag WHERE arn=? AND key=?", [(arn, key) for key in keys])

    def tags(self, arn: str) -> dict[str, str]:
        rows = self._db.read("SELECT key, value FROM tag WHERE arn=? ORDER BY key", (arn,))
        return {row["key"]: row["value"] for row in rows}

    # invocations in the background

    def add_async_invoke(self, invoke: AsyncInvoke, tags: Mapping[str, str]) -> None:
        with self._db.transaction():
            self._db.write(
                "INSERT INTO async_invoke VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
                (
                    invoke.id,
                    invoke.account,
                    invoke.region,
                    invoke.model,
                    json.dumps(invoke.input),
                    invoke.output,
                    invoke.token,
                    invoke.status,
                    invoke.failure,
                    invoke.submitted_at,
                    invoke.modified_at,
                    invoke.ended_at,
                ),
            )
            self.tag(invoke.arn, tags)

    def async_invoke(self, account: str, region: str, invoke_id: str) -> AsyncInvoke | None:
        return _invoke(
            self._db.read_one(
                "SELECT * FROM async_invoke WHERE id=? AND account=? AND region=?", (invoke_id, account, region)
            )
        )

    def async_invoke_by_token(self, account: str, region: str, token: str) -> AsyncInvoke | None:
        return _invoke(
            self._db.read_one(
                "SELECT * FROM async_invoke WHERE token=? AND account=? AND region=?", (token, account, region)
            )
        )

    def async_invokes(self, account: str, region: str) -> list[AsyncInvoke]:
        """Oldest first."""
        rows = self._db.read(
            "SELECT * FROM async_invoke WHERE account=? AND region=? ORDER BY submitted_at, id", (account, region)
        )
        return [invoke for row in rows if (invoke := _invoke(row))]

    def end_async_invoke(self, invoke_id: str, status: str, failure: str | None, at: float) -> None:
        self._db.write(
            "UPDATE async_invoke SET status=?, failure=?, modified_at=?, ended_at=? WHERE id=?",
            (status, failure, at, at, invoke_id),
        )

    # access

    def has_given_up(self, account: str, model: str) -> bool:
        row = self._db.read_one("SELECT given_up FROM agreement WHERE account=? AND model=?", (account, model))
        return bool(row and row["given_up"])

    def agree(self, account: str, model: str, *, given_up: bool) -> None:
        self._db.write("INSERT OR REPLACE INTO agreement VALUES (?,?,?)", (account, model, given_up))

    def use_case(self, account: str) -> bytes | None:
        row = self._db.read_one("SELECT form FROM use_case WHERE account=?", (account,))
        return row["form"] if row else None

    def put_use_case(self, account: str, form: bytes) -> None:
        self._db.write("INSERT OR REPLACE INTO use_case VALUES (?,?)", (account, form))


def _profile(row: Row | None) -> ApplicationProfile | None:
    if row is None:
        return None
    values: dict[str, Any] = {**dict(row), "models": tuple(json.loads(row["models"]))}
    return ApplicationProfile(**values)


def _invoke(row: Row | None) -> AsyncInvoke | None:
    if row is None:
        return None
    values: dict[str, Any] = {**dict(row), "input": json.loads(row["input"])}
    return AsyncInvoke(**values)
