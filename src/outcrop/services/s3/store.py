"""S3's rows: buckets and their settings, versions of objects, uploads in parts."""

from __future__ import annotations

import json
import secrets
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from sqlite3 import Connection
from typing import Any, Literal

from outcrop.services.s3.bodies import Content, Segment
from outcrop.storage import Database, Row

NULL = "null"
"""The version id of what was written while the bucket kept no versions."""

SCHEMA = [
    """
    CREATE TABLE bucket (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, account TEXT NOT NULL, region TEXT NOT NULL,
                         created REAL NOT NULL, versioning TEXT NOT NULL DEFAULT '', lock INTEGER NOT NULL DEFAULT 0);
    CREATE TABLE setting (bucket INTEGER NOT NULL REFERENCES bucket (id) ON DELETE CASCADE, kind TEXT NOT NULL,
                          value TEXT NOT NULL, PRIMARY KEY (bucket, kind)) WITHOUT ROWID;

    CREATE TABLE object (id INTEGER PRIMARY KEY, bucket INTEGER NOT NULL REFERENCES bucket (id), key TEXT NOT NULL,
                         version TEXT NOT NULL, listed INTEGER NOT NULL, marker INTEGER NOT NULL, etag TEXT NOT NULL,
                         size INTEGER NOT NULL, modified REAL NOT NULL, storage_class TEXT NOT NULL,
                         headers TEXT NOT NULL, metadata TEXT NOT NULL, tags TEXT NOT NULL, acl TEXT NOT NULL,
                         checksums TEXT NOT NULL, checksum_type TEXT NOT NULL, parts INTEGER NOT NULL,
                         upload TEXT NOT NULL, hold TEXT NOT NULL, owner TEXT NOT NULL);
    CREATE INDEX object_by_key ON object (bucket, key, id);
    CREATE UNIQUE INDEX object_listed ON object (bucket, key) WHERE listed = 1;
    CREATE TABLE object_data (object INTEGER PRIMARY KEY REFERENCES object (id) ON DELETE CASCADE, data BLOB NOT NULL);
    CREATE TABLE segment (object INTEGER NOT NULL REFERENCES object (id) ON DELETE CASCADE, position INTEGER NOT NULL,
                          blob TEXT NOT NULL, size INTEGER NOT NULL, PRIMARY KEY (object, position)) WITHOUT ROWID;
    CREATE INDEX segment_by_blob ON segment (blob);
    CREATE TABLE part (object INTEGER NOT NULL REFERENCES object (id) ON DELETE CASCADE, number INTEGER NOT NULL,
                       size INTEGER NOT NULL, checksums TEXT NOT NULL, PRIMARY KEY (object, number)) WITHOUT ROWID;

    CREATE TABLE upload (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,
                         bucket INTEGER NOT NULL REFERENCES bucket (id), key TEXT NOT NULL, initiated REAL NOT NULL,
                         draft TEXT NOT NULL, algorithm TEXT NOT NULL, checksum_type TEXT NOT NULL);
    CREATE INDEX upload_by_key ON upload (bucket, key, seq);
    CREATE TABLE upload_part (upload INTEGER NOT NULL REFERENCES upload (seq) ON DELETE CASCADE,
                              number INTEGER NOT NULL, blob TEXT NOT NULL, size INTEGER NOT NULL, md5 TEXT NOT NULL,
                              checksums TEXT NOT NULL, modified REAL NOT NULL,
                              PRIMARY KEY (upload, number)) WITHOUT ROWID;
    CREATE INDEX upload_part_by_blob ON upload_part (blob);
    """,
    """
    CREATE TABLE notice (id INTEGER PRIMARY KEY AUTOINCREMENT, account TEXT NOT NULL, region TEXT NOT NULL,
                         bucket TEXT NOT NULL, function TEXT NOT NULL, payload TEXT NOT NULL, created REAL NOT NULL);
    """,
    "ALTER TABLE notice ADD COLUMN trace TEXT NOT NULL DEFAULT ''",
]


@dataclass(frozen=True, slots=True)
class Bucket:
    id: int
    name: str
    account: str
    region: str
    created: float
    """Seconds since the epoch, as all times here."""
    versioning: Literal["", "Enabled", "Suspended"]
    lock: bool
    """Whether its objects can be locked."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What a client says of an object beside its bytes."""

    owner: str
    """The account that owns it."""
    storage_class: str = "STANDARD"
    headers: Mapping[str, Any] = field(default_factory=dict)
    """By S3's member names: ContentType, CacheControl, …, ServerSideEncryption, WebsiteRedirectLocation."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    acl: Sequence[Mapping[str, Any]] | None = None
    """Grants; None for the owner's full control alone."""
    hold: Mapping[str, Any] = field(default_factory=dict)
    """Object lock: Mode, RetainUntilDate (seconds since the epoch), LegalHold."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version of an object, or a delete marker."""

    id: int
    """Grows with each write."""
    bucket: int
    key: str
    version: str
    marker: bool
    etag: str
    """Without quotes."""
    size: int
    modified: float
    draft: Draft
    checksums: Mapping[str, str]
    checksum_type: str
    parts: int
    """How many parts it was uploaded in; 0 for a single request."""
    upload: str
    """The upload that it came from."""

    @property
    def rank(self) -> float:
        return float("inf")


@dataclass(frozen=True, slots=True)
class ListedVersion:
    version: Version
    latest: bool

    @property
    def key(self) -> str:
        return self.version.key

    @property
    def rank(self) -> int:
        return -self.version.id


@dataclass(frozen=True, slots=True)
class Part:
    number: int
    size: int
    checksums: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Upload:
    seq: int
    id: str
    bucket: int
    key: str
    initiated: float
    draft: Draft
    algorithm: str
    """Of the checksums that the client promised; empty for none."""
    checksum_type: str

    @property
    def rank(self) -> int:
        return self.seq


@dataclass(frozen=True, slots=True)
class UploadPart:
    number: int
    blob: str
    size: int
    md5: str
    """Hexadecimal."""
    checksums: Mapping[str, str]
    modified: float


@dataclass(frozen=True, slots=True)
class Seek:
    """A place in an order by key, then rank: what lies behind it is wanted."""

    key: str
    rank: float
    """Minus infinity: the key itself is still wanted; infinity: only later keys."""


_VERSION = (
    "id, bucket, key, version, marker, etag, size, modified, storage_class, headers, metadata, tags, acl, "
    "checksums, checksum_type, parts, upload, hold, owner"
)


class BucketStore:
    def __init__(self, database: Database) -> None:
        self._db = database

    def transaction(self) -> AbstractContextManager[Connection]:
        return self._db.transaction()

    def create(self, name: str, account: str, region: str, lock: bool) -> Bucket:
        self._db.write(
            "INSERT INTO bucket (name, account, region, created, versioning, lock) VALUES (?,?,?,?,?,?)",
            (name, account, region, time.time(), "Enabled" if lock else "", lock),
        )
        bucket = self.get(name)
        assert bucket is not None
        return bucket

    def get(self, name: str) -> Bucket | None:
        row = self._db.read_one("SELECT * FROM bucket WHERE name=?", (name,))
        return _bucket(row) if row else None

    def page(self, account: str, prefix: str, after: str, region: str | None, limit: int) -> list[Bucket]:
        rows = self._db.read(
            "SELECT * FROM bucket WHERE account=? AND name>? AND substr(name, 1, ?)=? AND (? IS NULL OR region=?) "
            "ORDER BY name LIMIT ?",
            (account, after, len(prefix), prefix, region, region, limit),
        )
        return [_bucket(row) for row in rows]

    def is_empty(self, bucket: Bucket) -> bool:
        return self._db.read_one("SELECT 1 FROM object WHERE bucket=? LIMIT 1", (bucket.id,)) is None

    def delete(self, bucket: Bucket) -> list[str]:
        """Delete an empty bucket and the uploads begun in it; answers the blobs that nothing names any more."""
        with self._db.transaction() as c:
            blobs = c.execute(
                "SELECT blob FROM upload_part JOIN upload ON upload=seq WHERE bucket=?", (bucket.id,)
            ).fetchall()
            c.execute("DELETE FROM upload WHERE bucket=?", (bucket.id,))
            c.execute("DELETE FROM bucket WHERE id=?", (bucket.id,))
        return [row["blob"] for row in blobs]

    def set_versioning(self, bucket: Bucket, status: str) -> None:
        self._db.write("UPDATE bucket SET versioning=? WHERE id=?", (status, bucket.id))

    def set_lock(self, bucket: Bucket) -> None:
        self._db.write("UPDATE bucket SET lock=1 WHERE id=?", (bucket.id,))

    def setting(self, bucket: Bucket, kind: str) -> Any:
        """The setting's value, or None."""
        row = self._db.read_one("SELECT value FROM setting WHERE bucket=? AND kind=?", (bucket.id, kind))
        return _load(row["value"]) if row else None

    def settings(self, bucket: Bucket, kind: str) -> list[Any]:
        """The settings of the kinds `kind/…`, in order of their names."""
        rows = self._db.read(
            "SELECT value FROM setting WHERE bucket=? AND kind>=? AND kind<? ORDER BY kind",
            (bucket.id, f"{kind}/", f"{kind}0"),
        )
        return [_load(row["value"]) for row in rows]

    def put_setting(self, bucket: Bucket, kind: str, value: Any) -> None:
        self._db.write("INSERT OR REPLACE INTO setting VALUES (?,?,?)", (bucket.id, kind, _dump(value)))

    def delete_setting(self, bucket: Bucket, kind: str) -> bool:
        return bool(self._db.write("DELETE FROM setting WHERE bucket=? AND kind=?", (bucket.id, kind)))


class ObjectStore:
    def __init__(self, database: Database) -> None:
        self._db = database

    def transaction(self) -> AbstractContextManager[Connection]:
        return self._db.transaction()

    def newest(self, bucket: Bucket, key: str) -> Version | None:
        """The newest version, which may be a delete marker."""
        row = self._db.read_one(
            f"SELECT {_VERSION} FROM object WHERE bucket=? AND key=? ORDER BY id DESC LIMIT 1", (bucket.id, key)
        )
        return _version(row) if row else None

    def version(self, bucket: Bucket, key: str, version: str) -> Version | None:
        row = self._db.read_one(
            f"SELECT {_VERSION} FROM object WHERE bucket=? AND key=? AND version=?", (bucket.id, key, version)
        )
        return _version(row) if row else None

    def content(self, version: Version) -> Content:
        row = self._db.read_one("SELECT data FROM object_data WHERE object=?", (version.id,))
        if row:
            return bytes(row["data"])
        rows = self._db.read("SELECT blob, size FROM segment WHERE object=? ORDER BY position", (version.id,))
        return tuple(Segment(row["blob"], row["size"]) for row in rows)

    def parts(self, version: Version, after: int = 0, limit: int = -1) -> list[Part]:
        rows = self._db.read(
            "SELECT * FROM part WHERE object=? AND number>? ORDER BY number LIMIT ?", (version.id, after, limit)
        )
        return [Part(row["number"], row["size"], json.loads(row["checksums"])) for row in rows]

    def add(self, bucket: Bucket, version: Version, content: Content, parts: Iterable[Part] = ()) -> Added:
        """Write a version (its `id`, `bucket` and `version` are chosen here) as the newest of its key."""
        with self._db.transaction() as c:
            doomed = []
            number = c.execute("SELECT COALESCE(MAX(id), 0) + 1 FROM object").fetchone()[0]
            if bucket.versioning == "Enabled":
                version = replace(version, version=_token(number, 16))
            else:
                version = replace(version, version=NULL)
                if old := self.version(bucket, version.key, NULL):
                    doomed = self._erase(c, old)
            if bucket.versioning:
                c.execute("UPDATE object SET listed=0 WHERE bucket=? AND key=? AND listed=1", (bucket.id, version.key))
            draft = version.draft
            c.execute(
                f"INSERT INTO object (listed, {_VERSION}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                (
                    not version.marker,
                    number,
                    bucket.id,
                    version.key,
                    version.version,
                    version.marker,
                    version.etag,
                    version.size,
                    version.modified,
                    draft.storage_class,
                    _dump(draft.headers),
                    _dump(draft.metadata),
                    _dump(draft.tags),
                    _dump(draft.acl),
                    _dump(version.checksums),
                    version.checksum_type,
                    version.parts,
                    version.upload,
                    _dump(draft.hold),
                    draft.owner,
                ),
            )
            if isinstance(content, bytes):
                if not version.marker:
                    c.execute("INSERT INTO object_data VALUES (?,?)", (number, content))
            else:
                c.executemany(
                    "INSERT INTO segment VALUES (?,?,?,?)",
                    [(number, position, s.blob, s.size) for position, s in enumerate(content)],
                )
            c.executemany(
                "INSERT INTO part VALUES (?,?,?,?)",
                [(number, part.number, part.size, _dump(part.checksums)) for part in parts],
            )
        return Added(replace(version, id=number, bucket=bucket.id), doomed)

    def remove(self, version: Version) -> list[str]:
        """Delete one version; the one before it becomes the newest. Answers the blobs that nothing names any more."""
        with self._db.transaction() as c:
            doomed = self._erase(c, version)
            c.execute(
                "UPDATE object SET listed = NOT marker WHERE id=(SELECT MAX(id) FROM object WHERE bucket=? AND key=?)",
                (version.bucket, version.key),
            )
        return doomed

    def _erase(self, c: Connection, version: Version) -> list[str]:
        rows = c.execute("SELECT blob FROM segment WHERE object=?", (version.id,)).fetchall()
        c.execute("DELETE FROM object WHERE id=?", (version.id,))
        return [row["blob"] for row in rows]

    def set_tags(self, version: Version, tags: Mapping[str, str]) -> None:
        self._db.write("UPDATE object SET tags=? WHERE id=?", (_dump(tags), version.id))

    def set_headers(self, version: Version) -> None:
        self._db.write("UPDATE object SET headers=? WHERE id=?", (_dump(version.draft.headers), version.id))

    def set_acl(self, version: Version, acl: Sequence[Mapping[str, Any]] | None) -> None:
        self._db.write("UPDATE object SET acl=? WHERE id=?", (_dump(acl), version.id))

    def set_hold(self, version: Version, hold: Mapping[str, Any]) -> None:
        self._db.write("UPDATE object SET hold=? WHERE id=?", (_dump(hold), version.id))

    def page(self, bucket: Bucket, seek: Seek, below: str | None, limit: int) -> list[Version]:
        """Newest versions that are no delete markers, by key, up to the key `below` (exclusive)."""
        rows = self._db.read(
            f"SELECT {_VERSION} FROM object WHERE bucket=? AND listed=1 AND key{'>' if seek.rank > 0 else '>='}? "
            f"{'' if below is None else 'AND key<?'} ORDER BY key LIMIT ?",
            (bucket.id, seek.key, *(() if below is None else (below,)), limit),
        )
        return [_version(row) for row in rows]

    def page_versions(self, bucket: Bucket, seek: Seek, below: str | None, limit: int) -> list[ListedVersion]:
        """All versions and delete markers by key, newest first, up to the key `below`."""
        rows = _two_reads(
            self._db,
            f"SELECT {_VERSION}, (SELECT MAX(id) FROM object AS o WHERE o.bucket=object.bucket AND o.key=object.key) "
            "AS newest FROM object WHERE bucket=?",
            ("id<?", "id DESC", -seek.rank),
            bucket,
            seek,
            below,
            limit,
        )
        return [ListedVersion(_version(row), row["id"] == row["newest"]) for row in rows]

    def names_blob(self, blob: str) -> bool:
        """Whether any row needs this blob."""
        return bool(
            self._db.read_one(
                "SELECT 1 FROM segment WHERE blob=? UNION ALL SELECT 1 FROM upload_part WHERE blob=?", (blob, blob)
            )
        )


@dataclass(frozen=True, slots=True)
class Added:
    version: Version
    doomed: list[str]
    """Blobs that nothing names any more."""


class UploadStore:
    def __init__(self, database: Database) -> None:
        self._db = database

    def transaction(self) -> AbstractContextManager[Connection]:
        return self._db.transaction()

    def create(self, bucket: Bucket, key: str, draft: Draft, algorithm: str, checksum_type: str) -> Upload:
        fields = {
            "owner": draft.owner,
            "storage_class": draft.storage_class,
            "headers": draft.headers,
            "metadata": draft.metadata,
            "tags": draft.tags,
            "acl": draft.acl,
            "hold": draft.hold,
        }
        with self._db.transaction() as c:
            last = c.execute("SELECT COALESCE(MAX(seq), 0) FROM upload").fetchone()[0]
            seq = max(time.time_ns(), last + 1)
            upload = _token(seq, 34)
            c.execute(
                "INSERT INTO upload VALUES (?,?,?,?,?,?,?,?)",
                (seq, upload, bucket.id, key, time.time(), _dump(fields), algorithm, checksum_type),
            )
        created = self.get(bucket, key, upload)
        assert created is not None
        return created

    def get(self, bucket: Bucket, key: str, upload: str) -> Upload | None:
        row = self._db.read_one("SELECT * FROM upload WHERE id=? AND bucket=? AND key=?", (upload, bucket.id, key))
        return _upload(row) if row else None

    def by_seq(self, seq: int) -> Upload | None:
        row = self._db.read_one("SELECT * FROM upload WHERE seq=?", (seq,))
        return _upload(row) if row else None

    def delete(self, upload: Upload) -> list[str]:
        """Forget an upload; answers the blobs of its parts."""
        with self._db.transaction() as c:
            rows = c.execute("SELECT blob FROM upload_part WHERE upload=?", (upload.seq,)).fetchall()
            c.execute("DELETE FROM upload WHERE seq=?", (upload.seq,))
        return [row["blob"] for row in rows]

    def put_part(self, upload: Upload, part: UploadPart) -> list[str]:
        """Answers the blobs that it replaces."""
        with self._db.transaction() as c:
            old = c.execute(
                "SELECT blob FROM upload_part WHERE upload=? AND number=?", (upload.seq, part.number)
            ).fetchall()
            c.execute(
                "INSERT OR REPLACE INTO upload_part VALUES (?,?,?,?,?,?,?)",
                (upload.seq, part.number, part.blob, part.size, part.md5, _dump(part.checksums), part.modified),
            )
        return [row["blob"] for row in old]

    def parts(self, upload: Upload, after: int = 0, limit: int = -1) -> list[UploadPart]:
        rows = self._db.read(
            "SELECT * FROM upload_part WHERE upload=? AND number>? ORDER BY number LIMIT ?",
            (upload.seq, after, limit),
        )
        return [
            UploadPart(
                row["number"], row["blob"], row["size"], row["md5"], json.loads(row["checksums"]), row["modified"]
            )
            for row in rows
        ]

    def page(self, bucket: Bucket, seek: Seek, below: str | None, limit: int) -> list[Upload]:
        """Uploads by key, oldest first, up to the key `below`."""
        rows = _two_reads(
            self._db,
            "SELECT * FROM upload WHERE bucket=?",
            ("seq>?", "seq", seek.rank),
            bucket,
            seek,
            below,
            limit,
        )
        return [_upload(row) for row in rows]


def _two_reads(
    db: Database,
    select: str,
    within: tuple[str, str, float],
    bucket: Bucket,
    seek: Seek,
    below: str | None,
    limit: int,
) -> list[Row]:
    """What is left of the seek's own key, then later keys. `within` is the condition, order and bound inside a key."""
    condition, order, bound = within
    rows: list[Row] = []
    finite = seek.rank not in (float("inf"), float("-inf"))
    if finite:
        rows = db.read(
            f"{select} AND key=? AND {condition} ORDER BY {order} LIMIT ?", (bucket.id, seek.key, int(bound), limit)
        )
    if len(rows) < limit:
        compare = ">=" if seek.rank == float("-inf") else ">"
        rows += db.read(
            f"{select} AND key{compare}? {'' if below is None else 'AND key<?'} ORDER BY key, {order} LIMIT ?",
            (bucket.id, seek.key, *(() if below is None else (below,)), limit - len(rows)),
        )
    return rows


def _token(rank: int, noise: int) -> str:
    """An unguessable id that remembers its place in an order, so that a listing can go on behind what is deleted."""
    return urlsafe_b64encode(secrets.token_bytes(noise) + rank.to_bytes(8, "big")).decode()


def _place(token: str, noise: int) -> int | None:
    """The place that `_token` hid in an id; None if it isn't one of ours."""
    try:
        raw = urlsafe_b64decode(token)
    except ValueError:
        return None
    return int.from_bytes(raw[noise:], "big") if len(raw) == noise + 8 else None


def version_place(version: str) -> int | None:
    return _place(version, 16)


def upload_place(upload: str) -> int | None:
    return _place(upload, 34)


def _bucket(row: Row) -> Bucket:
    return Bucket(
        row["id"],
        row["name"],
        row["account"],
        row["region"],
        row["created"],
        row["versioning"],
        bool(row["lock"]),
    )


def _version(row: Row) -> Version:
    draft = Draft(
        row["owner"],
        row["storage_class"],
        json.loads(row["headers"]),
        json.loads(row["metadata"]),
        json.loads(row["tags"]),
        json.loads(row["acl"]),
        json.loads(row["hold"]),
    )
    return Version(
        row["id"],
        row["bucket"],
        row["key"],
        row["version"],
        bool(row["marker"]),
        row["etag"],
        row["size"],
        row["modified"],
        draft,
        json.loads(row["checksums"]),
        row["checksum_type"],
        row["parts"],
        row["upload"],
    )


def _upload(row: Row) -> Upload:
    return Upload(
        row["seq"],
        row["id"],
        row["bucket"],
        row["key"],
        row["initiated"],
        Draft(**json.loads(row["draft"])),
        row["algorithm"],
        row["checksum_type"],
    )


def _dump(value: Any) -> str:
    return "{}" if value == {} else json.dumps(value, default=_encode_special, separators=(",", ":"))


def _encode_special(value: Any) -> Any:
    if isinstance(value, datetime):
        return {"$time": value.astimezone(UTC).isoformat()}
    raise TypeError(f"settings hold JSON values and times, not {type(value).__name__}")


def _load(text: str) -> Any:
    return json.loads(text, object_hook=_decode_special)


def _decode_special(value: dict[str, Any]) -> Any:
    return datetime.fromisoformat(value["$time"]) if set(value) == {"$time"} else value
