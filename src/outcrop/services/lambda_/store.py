"""Lambda's rows."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from outcrop.services.lambda_.names import LATEST, FunctionName
from outcrop.storage import Database, Row

SCHEMA = [
    """
    CREATE TABLE code (sha256 TEXT PRIMARY KEY, blob TEXT NOT NULL, size INTEGER NOT NULL);
    CREATE TABLE function (id INTEGER PRIMARY KEY AUTOINCREMENT, account TEXT NOT NULL, region TEXT NOT NULL,
                           name TEXT NOT NULL, tags TEXT NOT NULL, reserved INTEGER,
                           last_version INTEGER NOT NULL DEFAULT 0, UNIQUE (account, region, name));
    CREATE TABLE version (function INTEGER NOT NULL REFERENCES function (id) ON DELETE CASCADE, version TEXT NOT NULL,
                          number INTEGER NOT NULL, settings TEXT NOT NULL, sha256 TEXT NOT NULL, size INTEGER NOT NULL,
                          revision TEXT NOT NULL, modified_at REAL NOT NULL, PRIMARY KEY (function, version));
    CREATE INDEX version_by_code ON version (sha256);
    CREATE TABLE alias (function INTEGER NOT NULL REFERENCES function (id) ON DELETE CASCADE, name TEXT NOT NULL,
                        version TEXT NOT NULL, description TEXT NOT NULL, revision TEXT NOT NULL,
                        PRIMARY KEY (function, name));
    CREATE TABLE statement (function INTEGER NOT NULL REFERENCES function (id) ON DELETE CASCADE,
                            qualifier TEXT NOT NULL, sid TEXT NOT NULL, statement TEXT NOT NULL,
                            PRIMARY KEY (function, qualifier, sid));
    CREATE TABLE event_config (function INTEGER NOT NULL REFERENCES function (id) ON DELETE CASCADE,
                               qualifier TEXT NOT NULL, settings TEXT NOT NULL, modified_at REAL NOT NULL,
                               PRIMARY KEY (function, qualifier));
    CREATE TABLE url (id TEXT PRIMARY KEY, function INTEGER NOT NULL REFERENCES function (id) ON DELETE CASCADE,
                      qualifier TEXT NOT NULL, settings TEXT NOT NULL, created_at REAL NOT NULL,
                      modified_at REAL NOT NULL, UNIQUE (function, qualifier));
    CREATE TABLE layer (account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL,
                        settings TEXT NOT NULL, sha256 TEXT NOT NULL, size INTEGER NOT NULL, created_at REAL NOT NULL,
                        deleted INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (account, region, name, version));
    CREATE INDEX layer_by_code ON layer (sha256);
    CREATE TABLE layer_count (account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL, last INTEGER NOT NULL,
                              PRIMARY KEY (account, region, name));
    CREATE TABLE event (id TEXT PRIMARY KEY, account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL,
                        qualifier TEXT NOT NULL, payload BLOB NOT NULL, context TEXT, created_at REAL NOT NULL,
                        attempts INTEGER NOT NULL DEFAULT 0, due_at REAL NOT NULL);
    CREATE TABLE secret (name TEXT PRIMARY KEY, value TEXT NOT NULL);
    """,
    """
    ALTER TABLE alias ADD COLUMN weights TEXT NOT NULL DEFAULT '{}';
    ALTER TABLE event ADD COLUMN trace TEXT NOT NULL DEFAULT '';
    ALTER TABLE function ADD COLUMN recursion TEXT NOT NULL DEFAULT 'Terminate';
    ALTER TABLE function ADD COLUMN signing TEXT NOT NULL DEFAULT '';
    CREATE TABLE provisioned (function INTEGER NOT NULL REFERENCES function (id) ON DELETE CASCADE,
                              qualifier TEXT NOT NULL, settings TEXT NOT NULL, modified_at REAL NOT NULL,
                              PRIMARY KEY (function, qualifier));
    CREATE TABLE runtime_update (function INTEGER NOT NULL REFERENCES function (id) ON DELETE CASCADE,
                                 qualifier TEXT NOT NULL, settings TEXT NOT NULL, modified_at REAL NOT NULL,
                                 PRIMARY KEY (function, qualifier));
    CREATE TABLE layer_statement (layer TEXT NOT NULL, sid TEXT NOT NULL, statement TEXT NOT NULL,
                                  PRIMARY KEY (layer, sid));
    CREATE TABLE signing_config (arn TEXT PRIMARY KEY, account TEXT NOT NULL, region TEXT NOT NULL,
                                 settings TEXT NOT NULL, modified_at REAL NOT NULL);
    """,
]


@dataclass(frozen=True, slots=True)
class Code:
    sha256: str
    """Hex."""
    size: int
    """Bytes of the archive."""


@dataclass(frozen=True, slots=True)
class Function:
    id: int
    name: FunctionName
    tags: Mapping[str, str]
    reserved: int | None
    """How many of its invocations may run at once, if that is set."""
    last_version: int
    recursion: str = "Terminate"
    """What becomes of invocations that the function has caused itself, again and again: `Allow` or `Terminate`."""
    signing: str = ""
    """The ARN of its code signing configuration."""


@dataclass(frozen=True, slots=True)
class Version:
    """One state of a function: `$LATEST`, which changes, or a published one, which never does."""

    function: int
    name: FunctionName
    """With the version as its qualifier."""
    settings: Mapping[str, Any]
    """Members of FunctionConfiguration that the user chose, defaults filled in; Layers as a list of ARNs."""
    code: Code
    revision: str
    modified_at: float

    @property
    def version(self) -> str:
        return self.name.qualifier


@dataclass(frozen=True, slots=True)
class Alias:
    name: str
    version: str
    description: str
    revision: str
    weights: Mapping[str, float] = field(default_factory=dict)
    """Other versions, and the share of invocations that goes to each."""


@dataclass(frozen=True, slots=True)
class Timed:
    """Settings of something that belongs to a function and a qualifier (empty: none)."""

    qualifier: str
    settings: Mapping[str, Any]
    modified_at: float
    created_at: float = 0.0
    id: str = ""


@dataclass(frozen=True, slots=True)
class Layer:
    account: str
    region: str
    name: str
    version: int
    settings: Mapping[str, Any]
    code: Code
    created_at: float

    @property
    def arn(self) -> str:
        return f"arn:aws:lambda:{self.region}:{self.account}:layer:{self.name}"

    @property
    def version_arn(self) -> str:
        return f"{self.arn}:{self.version}"


@dataclass(frozen=True, slots=True)
class Event:
    """An asynchronous invocation that isn't finished."""

    id: str
    """The request id."""
    name: FunctionName
    payload: bytes
    client_context: str | None
    created_at: float
    attempts: int
    due_at: float
    trace: str = ""
    """`X-Amzn-Trace-Id` of what caused it."""


ConfigKind = Literal["event_config", "provisioned", "runtime_update"]


class LambdaStore:
    def __init__(self, database: Database) -> None:
        self._db = database
        self._db.migrate(SCHEMA)

    # code

    def add_code(self, code: Code, blob: str) -> bool:
        """False: the same code is there already."""
        sql = "INSERT OR IGNORE INTO code (sha256, blob, size) VALUES (?,?,?)"
        return bool(self._db.write(sql, (code.sha256, blob, code.size)))

    def blob(self, sha256: str) -> str | None:
        row = self._db.read_one("SELECT blob FROM code WHERE sha256=?", (sha256,))
        return row["blob"] if row else None

    def drop_unused_code(self) -> list[tuple[str, str]]:
        """Forget code that no version and no layer has; (sha256, blob) of each."""
        with self._db.transaction() as connection:
            rows = connection.execute(
                "SELECT sha256, blob FROM code WHERE sha256 NOT IN (SELECT sha256 FROM version) "
                "AND sha256 NOT IN (SELECT sha256 FROM layer)"
            ).fetchall()
            connection.executemany("DELETE FROM code WHERE sha256=?", [(row["sha256"],) for row in rows])
        return [(row["sha256"], row["blob"]) for row in rows]

    def secret(self, name: str, new: str) -> str:
        """The secret of this name: `new`, if there was none."""
        self._db.write("INSERT OR IGNORE INTO secret (name, value) VALUES (?,?)", (name, new))
        row = self._db.read_one("SELECT value FROM secret WHERE name=?", (name,))
        assert row is not None
        return str(row["value"])

    # functions

    def add_function(
        self, name: FunctionName, tags: Mapping[str, str], settings: Mapping[str, Any], code: Code
    ) -> Version | None:
        """The new function's `$LATEST`; None if the name is taken."""
        with self._db.transaction() as connection:
            added = connection.execute(
                "INSERT OR IGNORE INTO function (account, region, name, tags) VALUES (?,?,?,?)",
                (name.account, name.region, name.name, json.dumps(dict(tags))),
            )
            if not added.rowcount:
                return None
            assert added.lastrowid is not None
            version = Version(
                added.lastrowid, replace(name, qualifier=LATEST), settings, code, str(uuid.uuid4()), time.time()
            )
            self._put(version)
        return version

    def function(self, name: FunctionName) -> Function | None:
        row = self._db.read_one(
            "SELECT * FROM function WHERE account=? AND region=? AND name=?", (name.account, name.region, name.name)
        )
        return _function(row) if row else None

    def function_by_id(self, function: int) -> Function | None:
        row = self._db.read_one("SELECT * FROM function WHERE id=?", (function,))
        return _function(row) if row else None

    def delete_function(self, function: int) -> None:
        self._db.write("DELETE FROM function WHERE id=?", (function,))

    def set_tags(self, function: int, tags: Mapping[str, str]) -> None:
        self._db.write("UPDATE function SET tags=? WHERE id=?", (json.dumps(dict(tags)), function))

    def set_recursion(self, function: int, recursion: str) -> None:
        self._db.write("UPDATE function SET recursion=? WHERE id=?", (recursion, function))

    def set_signing(self, function: int, arn: str) -> None:
        self._db.write("UPDATE function SET signing=? WHERE id=?", (arn, function))

    def functions_signed_by(self, arn: str) -> list[Function]:
        return [_function(row) for row in self._db.read("SELECT * FROM function WHERE signing=? ORDER BY name", (arn,))]

    def set_reserved(self, function: int, reserved: int | None) -> None:
        self._db.write("UPDATE function SET reserved=? WHERE id=?", (reserved, function))

    def reserved_total(self, account: str, region: str, without: str = "") -> int:
        row = self._db.read_one(
            "SELECT COALESCE(SUM(reserved), 0) AS total FROM function WHERE account=? AND region=? AND name<>?",
            (account, region, without),
        )
        assert row is not None
        return int(row["total"])

    def usage(self, account: str, region: str) -> tuple[int, int]:
        """How many functions there are, and the bytes of all code."""
        functions = self._db.read_one(
            "SELECT COUNT(*) AS n FROM function WHERE account=? AND region=?", (account, region)
        )
        code = self._db.read_one(
            "SELECT (SELECT COALESCE(SUM(v.size), 0) FROM version v JOIN function f ON f.id=v.function "
            "WHERE f.account=:a AND f.region=:r) + (SELECT COALESCE(SUM(size), 0) FROM layer "
            "WHERE account=:a AND region=:r AND NOT deleted) AS n",
            {"a": account, "r": region},
        )
        assert functions is not None
        assert code is not None
        return functions["n"], code["n"]

    # versions

    def version(self, name: FunctionName) -> Version | None:
        """What `name.qualifier` leads to: a version, `$LATEST` (also if it is empty), or an alias's version."""
        qualifier = name.qualifier or LATEST
        row = self._db.read_one(
            "SELECT v.*, f.account, f.region, f.name FROM function f JOIN version v ON v.function=f.id "
            "WHERE f.account=:account AND f.region=:region AND f.name=:name AND v.version=COALESCE("
            "(SELECT a.version FROM alias a WHERE a.function=f.id AND a.name=:qualifier), :qualifier)",
            {"account": name.account, "region": name.region, "name": name.name, "qualifier": qualifier},
        )
        return _version(row) if row else None

    def versions(self, account: str, region: str, *, name: str = "", latest_only: bool = False) -> list[Version]:
        """In order of names and numbers, `$LATEST` first; all functions' if `name` is empty."""
        rows = self._db.read(
            "SELECT v.*, f.account, f.region, f.name FROM function f JOIN version v ON v.function=f.id "
            "WHERE f.account=:account AND f.region=:region AND (:name='' OR f.name=:name) "
            "AND (v.number=0 OR NOT :latest) ORDER BY f.name, v.number",
            {"account": account, "region": region, "name": name, "latest": latest_only},
        )
        return [_version(row) for row in rows]

    def update(self, version: Version, settings: Mapping[str, Any], code: Code) -> Version:
        """Replace the settings and the code of a `$LATEST`."""
        changed = replace(version, settings=settings, code=code, revision=str(uuid.uuid4()), modified_at=time.time())
        self._put(changed)
        return changed

    def touch(self, function: int) -> None:
        """Give `$LATEST` a new revision: something about the function has changed."""
        self._db.write(
            "UPDATE version SET revision=? WHERE function=? AND version=?", (str(uuid.uuid4()), function, LATEST)
        )

    def publish(self, latest: Version, settings: Mapping[str, Any]) -> Version:
        with self._db.transaction() as connection:
            connection.execute("UPDATE function SET last_version=last_version+1 WHERE id=?", (latest.function,))
            row = connection.execute("SELECT last_version FROM function WHERE id=?", (latest.function,)).fetchone()
            name = replace(latest.name, qualifier=str(row["last_version"]))
            version = replace(latest, name=name, settings=settings, revision=str(uuid.uuid4()))
            self._put(version)
        return version

    def delete_version(self, version: Version) -> None:
        self._db.write("DELETE FROM version WHERE function=? AND version=?", (version.function, version.version))

    def _put(self, version: Version) -> None:
        self._db.write(
            "INSERT OR REPLACE INTO version (function, version, number, settings, sha256, size, revision, modified_at) "
            "VALUES (?,?,?,?,?,?,?,?)",
            (
                version.function,
                version.version,
                0 if version.version == LATEST else int(version.version),
                json.dumps(dict(version.settings)),
                version.code.sha256,
                version.code.size,
                version.revision,
                version.modified_at,
            ),
        )

    # aliases

    def aliases(self, function: int) -> list[Alias]:
        rows = self._db.read("SELECT * FROM alias WHERE function=? ORDER BY name", (function,))
        return [
            Alias(row["name"], row["version"], row["description"], row["revision"], json.loads(row["weights"]))
            for row in rows
        ]

    def alias(self, function: int, name: str) -> Alias | None:
        return next((alias for alias in self.aliases(function) if alias.name == name), None)

    def put_alias(self, function: int, alias: Alias) -> None:
        self._db.write(
            "INSERT OR REPLACE INTO alias (function, name, version, description, revision, weights) "
            "VALUES (?,?,?,?,?,?)",
            (function, alias.name, alias.version, alias.description, alias.revision, json.dumps(dict(alias.weights))),
        )

    def delete_alias(self, function: int, name: str) -> None:
        with self._db.transaction() as connection:
            connection.execute("DELETE FROM alias WHERE function=? AND name=?", (function, name))
            for table in ("statement", "event_config", "url", "provisioned", "runtime_update"):
                connection.execute(f"DELETE FROM {table} WHERE function=? AND qualifier=?", (function, name))

    # policies

    def statements(self, function: int, qualifier: str) -> list[dict[str, Any]]:
        rows = self._db.read(
            "SELECT statement FROM statement WHERE function=? AND qualifier=? ORDER BY rowid", (function, qualifier)
        )
        return [json.loads(row["statement"]) for row in rows]

    def add_statement(self, function: int, qualifier: str, sid: str, statement: Mapping[str, Any]) -> bool:
        """False: there is one of this id."""
        sql = "INSERT OR IGNORE INTO statement (function, qualifier, sid, statement) VALUES (?,?,?,?)"
        return bool(self._db.write(sql, (function, qualifier, sid, json.dumps(dict(statement)))))

    def delete_statement(self, function: int, qualifier: str, sid: str) -> bool:
        sql = "DELETE FROM statement WHERE function=? AND qualifier=? AND sid=?"
        return bool(self._db.write(sql, (function, qualifier, sid)))

    # configuration of asynchronous invocations, and URLs

    def configs(self, kind: ConfigKind, function: int) -> list[Timed]:
        """All settings of this kind, by qualifier."""
        rows = self._db.read(f"SELECT * FROM {kind} WHERE function=? ORDER BY qualifier", (function,))
        return [Timed(row["qualifier"], json.loads(row["settings"]), row["modified_at"]) for row in rows]

    def config(self, kind: ConfigKind, function: int, qualifier: str) -> Timed | None:
        return next((config for config in self.configs(kind, function) if config.qualifier == qualifier), None)

    def put_config(self, kind: ConfigKind, function: int, qualifier: str, settings: Mapping[str, Any]) -> Timed:
        config = Timed(qualifier, dict(settings), time.time())
        self._db.write(
            f"INSERT OR REPLACE INTO {kind} (function, qualifier, settings, modified_at) VALUES (?,?,?,?)",
            (function, qualifier, json.dumps(config.settings), config.modified_at),
        )
        return config

    def delete_config(self, kind: ConfigKind, function: int, qualifier: str) -> bool:
        return bool(self._db.write(f"DELETE FROM {kind} WHERE function=? AND qualifier=?", (function, qualifier)))

    def provisioned(self) -> list[tuple[int, str, int]]:
        """Function, qualifier and number of all environments that are to be kept."""
        rows = self._db.read("SELECT * FROM provisioned")
        return [(row["function"], row["qualifier"], json.loads(row["settings"])["wanted"]) for row in rows]

    def urls(self, function: int) -> list[Timed]:
        return [
            _url(row) for row in self._db.read("SELECT * FROM url WHERE function=? ORDER BY qualifier", (function,))
        ]

    def url_by_id(self, url_id: str) -> tuple[int, Timed] | None:
        """The function that has the URL, and the URL."""
        row = self._db.read_one("SELECT * FROM url WHERE id=?", (url_id,))
        return (row["function"], _url(row)) if row else None

    def put_url(self, function: int, url: Timed) -> None:
        self._db.write(
            "INSERT OR REPLACE INTO url (id, function, qualifier, settings, created_at, modified_at) "
            "VALUES (?,?,?,?,?,?)",
            (url.id, function, url.qualifier, json.dumps(dict(url.settings)), url.created_at, url.modified_at),
        )

    def delete_url(self, url_id: str) -> None:
        self._db.write("DELETE FROM url WHERE id=?", (url_id,))

    # layers

    def add_layer(self, account: str, region: str, name: str, settings: Mapping[str, Any], code: Code) -> Layer:
        with self._db.transaction() as connection:
            connection.execute(
                "INSERT INTO layer_count (account, region, name, last) VALUES (?,?,?,1) "
                "ON CONFLICT (account, region, name) DO UPDATE SET last=last+1",
                (account, region, name),
            )
            row = connection.execute(
                "SELECT last FROM layer_count WHERE account=? AND region=? AND name=?", (account, region, name)
            ).fetchone()
            layer = Layer(account, region, name, row["last"], settings, code, time.time())
            connection.execute(
                "INSERT INTO layer (account, region, name, version, settings, sha256, size, created_at) "
                "VALUES (?,?,?,?,?,?,?,?)",
                (account, region, name, layer.version, json.dumps(dict(settings)), code.sha256, code.size, time.time()),
            )
        return layer

    def layers(self, account: str, region: str, name: str = "") -> list[Layer]:
        """Newest versions first; all layers' if `name` is empty."""
        rows = self._db.read(
            "SELECT * FROM layer WHERE account=? AND region=? AND (?='' OR name=?) AND NOT deleted "
            "ORDER BY name, version DESC",
            (account, region, name, name),
        )
        return [_layer(row) for row in rows]

    def layer(self, arn: str, *, deleted: bool = False) -> Layer | None:
        """The layer version of this ARN; also one that was deleted, if asked for: functions keep theirs."""
        parts = arn.split(":")
        if len(parts) != 8 or not parts[7].isdecimal() or len(parts[7]) > 18:
            return None
        row = self._db.read_one(
            "SELECT * FROM layer WHERE account=? AND region=? AND name=? AND version=? AND (? OR NOT deleted)",
            (parts[4], parts[3], parts[6], int(parts[7]), deleted),
        )
        return _layer(row) if row else None

    def delete_layer(self, arn: str) -> None:
        if layer := self.layer(arn):
            self._db.write(
                "UPDATE layer SET deleted=1 WHERE account=? AND region=? AND name=? AND version=?",
                (layer.account, layer.region, layer.name, layer.version),
            )

    def layer_statements(self, arn: str) -> list[dict[str, Any]]:
        rows = self._db.read("SELECT statement FROM layer_statement WHERE layer=? ORDER BY rowid", (arn,))
        return [json.loads(row["statement"]) for row in rows]

    def add_layer_statement(self, arn: str, sid: str, statement: Mapping[str, Any]) -> bool:
        """False: there is one of this id."""
        sql = "INSERT OR IGNORE INTO layer_statement (layer, sid, statement) VALUES (?,?,?)"
        return bool(self._db.write(sql, (arn, sid, json.dumps(dict(statement)))))

    def delete_layer_statement(self, arn: str, sid: str) -> bool:
        return bool(self._db.write("DELETE FROM layer_statement WHERE layer=? AND sid=?", (arn, sid)))

    # code signing configurations

    def signing_configs(self, account: str, region: str) -> list[Timed]:
        rows = self._db.read(
            "SELECT * FROM signing_config WHERE account=? AND region=? ORDER BY arn", (account, region)
        )
        return [Timed("", json.loads(row["settings"]), row["modified_at"], id=row["arn"]) for row in rows]

    def signing_config(self, arn: str) -> Timed | None:
        row = self._db.read_one("SELECT * FROM signing_config WHERE arn=?", (arn,))
        return Timed("", json.loads(row["settings"]), row["modified_at"], id=row["arn"]) if row else None

    def put_signing_config(self, account: str, region: str, arn: str, settings: Mapping[str, Any]) -> Timed:
        config = Timed("", dict(settings), time.time(), id=arn)
        self._db.write(
            "INSERT OR REPLACE INTO signing_config (arn, account, region, settings, modified_at) VALUES (?,?,?,?,?)",
            (arn, account, region, json.dumps(config.settings), config.modified_at),
        )
        return config

    def delete_signing_config(self, arn: str) -> None:
        self._db.write("DELETE FROM signing_config WHERE arn=?", (arn,))

    # asynchronous invocations

    def add_event(self, event: Event) -> None:
        self._db.write(
            "INSERT OR IGNORE INTO event (id, account, region, name, qualifier, payload, context, created_at, "
            "attempts, due_at, trace) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
            (
                event.id,
                event.name.account,
                event.name.region,
                event.name.name,
                event.name.qualifier,
                event.payload,
                event.client_context,
                event.created_at,
                event.attempts,
                event.due_at,
                event.trace,
            ),
        )

    def event(self, event_id: str) -> Event | None:
        row = self._db.read_one("SELECT * FROM event WHERE id=?", (event_id,))
        if row is None:
            return None
        name = FunctionName(row["account"], row["region"], row["name"], row["qualifier"])
        return Event(
            row["id"],
            name,
            row["payload"],
            row["context"],
            row["created_at"],
            row["attempts"],
            row["due_at"],
            row["trace"],
        )

    def event_ids(self) -> list[str]:
        """Of all events that aren't finished, oldest first."""
        return [row["id"] for row in self._db.read("SELECT id FROM event ORDER BY created_at")]

    def postpone_event(self, event_id: str, attempts: int, due_at: float) -> None:
        self._db.write("UPDATE event SET attempts=?, due_at=? WHERE id=?", (attempts, due_at, event_id))

    def delete_event(self, event_id: str) -> None:
        self._db.write("DELETE FROM event WHERE id=?", (event_id,))


def merged(settings: Mapping[str, Any], changes: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """`settings` with those of the `names` that `changes` has."""
    return {**settings, **{name: changes[name] for name in names if changes.get(name) is not None}}


def _function(row: Row) -> Function:
    name = FunctionName(row["account"], row["region"], row["name"])
    return Function(
        row["id"],
        name,
        json.loads(row["tags"]),
        row["reserved"],
        row["last_version"],
        row["recursion"],
        row["signing"],
    )


def _version(row: Row) -> Version:
    return Version(
        row["function"],
        FunctionName(row["account"], row["region"], row["name"], row["version"]),
        json.loads(row["settings"]),
        Code(row["sha256"], row["size"]),
        row["revision"],
        row["modified_at"],
    )


def _url(row: Row) -> Timed:
    return Timed(row["qualifier"], json.loads(row["settings"]), row["modified_at"], row["created_at"], row["id"])


def _layer(row: Row) -> Layer:
    return Layer(
        row["account"],
        row["region"],
        row["name"],
        row["version"],
        json.loads(row["settings"]),
        Code(row["sha256"], row["size"]),
        row["created_at"],
    )
