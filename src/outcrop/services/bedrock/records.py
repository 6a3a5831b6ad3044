"""Rows of Bedrock's jobs, models and capacity: what all of them have, and a JSON body of what is their own."""

from __future__ import annotations

import json
import secrets
import string
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from outcrop.services.bedrock.errors import TooManyTagsException
from outcrop.services.bedrock.tags import MAX_TAGS, read_tags
from outcrop.services.contract import ValidationException

if TYPE_CHECKING:
    from outcrop.services.bedrock.store import BedrockStore
    from outcrop.services.contract import Context, Request
    from outcrop.storage import Database
    from outcrop.storage.database import Row

SCHEMA = [
    """
    CREATE TABLE record (kind TEXT NOT NULL, id TEXT NOT NULL, account TEXT NOT NULL, region TEXT NOT NULL,
                         name TEXT NOT NULL, status TEXT NOT NULL, token TEXT, asked TEXT NOT NULL,
                         created_at REAL NOT NULL, updated_at REAL NOT NULL, body TEXT NOT NULL,
                         PRIMARY KEY (kind, id));
    CREATE INDEX record_by_place ON record (kind, account, region, created_at);
    CREATE UNIQUE INDEX record_by_token ON record (kind, account, region, token) WHERE token IS NOT NULL;
    CREATE TABLE period (id INTEGER PRIMARY KEY, arn TEXT NOT NULL, account TEXT NOT NULL, region TEXT NOT NULL,
                         what TEXT NOT NULL, model TEXT NOT NULL, units REAL NOT NULL, term TEXT,
                         started_at REAL NOT NULL, ended_at REAL);
    CREATE INDEX period_by_arn ON period (arn, ended_at);
    """
]
_CHARACTERS = string.ascii_lowercase + string.digits
_PAGE = 100


@dataclass(frozen=True, slots=True)
class Record:
    kind: str
    """As in ARNs: `model-customization-job`, `custom-model`, `provisioned-model`, …"""
    id: str
    """Twelve letters and digits."""
    account: str
    region: str
    name: str
    status: str
    token: str | None
    """The client's request token."""
    asked: str
    """The request that made it, to know it again."""
    created_at: float
    updated_at: float
    body: Mapping[str, Any]

    @property
    def arn(self) -> str:
        path = f"{self.body['of']}/{self.id}" if "of" in self.body else self.id
        return f"arn:aws:bedrock:{self.region}:{self.account}:{self.kind}/{path}"

    @property
    def created(self) -> datetime:
        return datetime.fromtimestamp(self.created_at, UTC)

    @property
    def updated(self) -> datetime:
        return datetime.fromtimestamp(self.updated_at, UTC)


def time_of(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


class Records:
    def __init__(self, database: Database, bedrock: BedrockStore) -> None:
        self._db = database
        self._db.migrate(SCHEMA)
        self._tags = bedrock

    @property
    def database(self) -> Database:
        return self._db

    def add(
        self, ctx: Context, kind: str, name: str, status: str, body: Mapping[str, Any], *,
        request: Request | None = None, tags: Mapping[str, str] | None = None,
    ) -> Record:  # fmt: skip
        """A new row. `request` is what asked for it, if a client did."""
        now = time.time()
        body = {key: value for key, value in body.items() if value is not None}
        record = Record(
            kind,
            "".join(secrets.choice(_CHARACTERS) for _ in range(12)),
            ctx.account,
            ctx.region,
            name,
            status,
            (request or {}).get("clientRequestToken"),
            _fingerprint(request or {}),
            now,
            now,
            body,
        )
        self._db.write(
            "INSERT INTO record VALUES (?,?,?,?,?,?,?,?,?,?,?)",
            (*(getattr(record, name) for name in Record.__slots__[:-1]), json.dumps(body)),
        )
        if tags:
            self._tags.tag(record.arn, tags)
        return record

    def made_before(
        self, ctx: Context, kind: str, request: Request, conflict: Callable[[str], Exception]
    ) -> Record | None:
        """What the same request made when it was sent before. Raises `conflict` for another with its token."""
        token = request.get("clientRequestToken")
        found = token and _record(
            self._db.read_one(
                "SELECT * FROM record WHERE kind=? AND account=? AND region=? AND token=?",
                (kind, ctx.account, ctx.region, token),
            )
        )
        if found and found.asked != _fingerprint(request):
            raise conflict("The client request token was used with other parameters before.")
        return found or None

    def change(self, record: Record, status: str | None = None, **body: Any) -> Record:
        """Set the status and members of the body; None takes one out. Answers the row as it is then."""
        current = self.by_id(record.kind, record.id) or record
        merged = {key: value for key, value in {**current.body, **body}.items() if value is not None}
        changed = replace(current, status=status or current.status, updated_at=time.time(), body=merged)
        self._db.write(
            "UPDATE record SET status=?, updated_at=?, body=? WHERE kind=? AND id=?",
            (changed.status, changed.updated_at, json.dumps(merged), record.kind, record.id),
        )
        return changed

    def rename(self, record: Record, name: str) -> None:
        self._db.write("UPDATE record SET name=?, updated_at=? WHERE kind=? AND id=?",
                       (name, time.time(), record.kind, record.id))  # fmt: skip

    def delete(self, record: Record) -> None:
        self._db.write("DELETE FROM record WHERE kind=? AND id=?", (record.kind, record.id))
        self._tags.untag(record.arn)

    def by_id(self, kind: str, identifier: str) -> Record | None:
        return _record(self._db.read_one("SELECT * FROM record WHERE kind=? AND id=?", (kind, identifier)))

    def by_arn(self, arn: str) -> Record | None:
        """Of whatever kind."""
        parts = arn.split(":", 5)
        if len(parts) < 6:
            return None
        found = self.by_id(parts[5].partition("/")[0], arn.rpartition("/")[2])
        return found if found and found.arn == arn else None

    def find(self, ctx: Context, kind: str, identifier: str) -> Record | None:
        """By ARN, id or name; the newest of a name."""
        if identifier.startswith("arn:"):
            found = self.by_arn(identifier)
            here = found and (found.kind, found.account, found.region) == (kind, ctx.account, ctx.region)
            return found if here else None
        return _record(
            self._db.read_one(
                "SELECT * FROM record WHERE kind=? AND account=? AND region=? AND (id=? OR name=?) "
                "ORDER BY created_at DESC",
                (kind, ctx.account, ctx.region, identifier, identifier),
            )
        )

    def all(self, kind: str, ctx: Context | None = None) -> list[Record]:
        where, values = ("", ()) if ctx is None else (" AND account=? AND region=?", (ctx.account, ctx.region))
        rows = self._db.read(f"SELECT * FROM record WHERE kind=?{where} ORDER BY created_at, id", (kind, *values))
        return [record for row in rows if (record := _record(row))]

    def exists(self, ctx: Context, arn: str) -> bool:
        """Whether tags may be put on it."""
        found = self.by_arn(arn)
        return found is not None and (found.account, found.region) == (ctx.account, ctx.region)

    def page(
        self, ctx: Context, kind: str, request: Request, member: str, describe: Callable[[Record], dict[str, Any]],
        wanted: Callable[[Record], bool] = lambda record: True,
    ) -> dict[str, Any]:  # fmt: skip
        """A page of a listing, newest first unless asked otherwise, by the filters that all listings share."""
        after = next((request[name] for name in request if name.endswith("After")), None)
        before = next((request[name] for name in request if name.endswith("Before")), None)
        found = [
            record
            for record in self.all(kind, ctx)
            if (after is None or record.created > after)
            and (before is None or record.created < before)
            and request.get("statusEquals", record.status) == record.status
            and request.get("nameContains", "") in record.name
            and wanted(record)
        ]
        if request.get("sortOrder") != "Ascending":
            found.reverse()
        start = _position(found, request.get("nextToken"), newest_first=request.get("sortOrder") != "Ascending")
        end = start + request.get("maxResults", _PAGE)
        answer: dict[str, Any] = {member: [describe(record) for record in found[start:end]]}
        if end < len(found):
            answer["nextToken"] = f"{found[end - 1].created_at!r}-{found[end - 1].id}"
        return answer


def _position(found: list[Record], token: str | None, newest_first: bool) -> int:
    """Where the page after a token begins, though the row that it names may be gone by now."""
    if token is None:
        return 0
    moment, _, identifier = token.partition("-")
    try:
        last = (float(moment), identifier)
    except ValueError:
        raise ValidationException("The provided pagination token is invalid.") from None
    passed = [(one.created_at, one.id) >= last if newest_first else (one.created_at, one.id) <= last for one in found]
    return sum(passed)


def new_tags(given: Any, limit: int = MAX_TAGS) -> dict[str, str]:
    """Tags of a request that makes something. Raises ValidationException, TooManyTagsException."""
    tags = read_tags(given)
    if len(tags) > limit:
        raise TooManyTagsException(f"A resource can have at most {limit} tags.", resourceName="")
    return tags


def _fingerprint(request: Request) -> str:
    return json.dumps({k: v for k, v in request.items() if k != "clientRequestToken"}, sort_keys=True, default=str)


def _record(row: Row | None) -> Record | None:
    return Record(**{**dict(row), "body": json.loads(row["body"])}) if row else None
