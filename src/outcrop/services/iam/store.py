"""IAM's rows: entities (roles, users, groups, instance profiles), policies, and keys. All of an account is apart."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar

from outcrop.services.iam import names
from outcrop.storage import Database, Row

Found = TypeVar("Found")

Kind = Literal["role", "user", "group", "instance-profile"]

SCHEMA = [
    """
    CREATE TABLE entity (id TEXT PRIMARY KEY, account TEXT NOT NULL, kind TEXT NOT NULL,
                         name TEXT NOT NULL COLLATE NOCASE, path TEXT NOT NULL, created_at REAL NOT NULL,
                         description TEXT NOT NULL DEFAULT '', trust TEXT NOT NULL DEFAULT '',
                         max_session INTEGER NOT NULL DEFAULT 3600, boundary TEXT NOT NULL DEFAULT '',
                         UNIQUE (account, kind, name));
    CREATE TABLE tag (owner TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (owner, key));
    CREATE TABLE inline_policy (owner TEXT NOT NULL REFERENCES entity (id) ON DELETE CASCADE, name TEXT NOT NULL,
                                document TEXT NOT NULL, PRIMARY KEY (owner, name));
    CREATE TABLE attachment (owner TEXT NOT NULL REFERENCES entity (id) ON DELETE CASCADE, policy_arn TEXT NOT NULL,
                             PRIMARY KEY (owner, policy_arn));
    CREATE INDEX attachment_by_policy ON attachment (policy_arn);
    CREATE TABLE member (container TEXT NOT NULL REFERENCES entity (id) ON DELETE CASCADE,
                         member TEXT NOT NULL REFERENCES entity (id) ON DELETE CASCADE,
                         PRIMARY KEY (container, member));
    CREATE INDEX member_by_member ON member (member);

    CREATE TABLE policy (id TEXT PRIMARY KEY, account TEXT NOT NULL, name TEXT NOT NULL COLLATE NOCASE,
                         path TEXT NOT NULL, arn TEXT NOT NULL UNIQUE, description TEXT NOT NULL,
                         created_at REAL NOT NULL, updated_at REAL NOT NULL, default_version INTEGER NOT NULL,
                         last_version INTEGER NOT NULL, UNIQUE (account, name));
    CREATE TABLE policy_version (policy TEXT NOT NULL REFERENCES policy (id) ON DELETE CASCADE,
                                 number INTEGER NOT NULL, document TEXT NOT NULL, created_at REAL NOT NULL,
                                 PRIMARY KEY (policy, number));

    CREATE TABLE access_key (id TEXT PRIMARY KEY, account TEXT NOT NULL,
                             owner TEXT REFERENCES entity (id) ON DELETE CASCADE, secret TEXT NOT NULL,
                             active INTEGER NOT NULL DEFAULT 1, created_at REAL NOT NULL,
                             token TEXT NOT NULL DEFAULT '', expires_at REAL, kind TEXT NOT NULL,
                             arn TEXT NOT NULL DEFAULT '', user_id TEXT NOT NULL DEFAULT '');
    CREATE INDEX access_key_by_owner ON access_key (account, owner);
    CREATE INDEX access_key_by_expiry ON access_key (expires_at);
    CREATE TABLE service_credential (id TEXT PRIMARY KEY, account TEXT NOT NULL,
                                     owner TEXT NOT NULL REFERENCES entity (id) ON DELETE CASCADE,
                                     service TEXT NOT NULL, alias TEXT NOT NULL, secret TEXT NOT NULL UNIQUE,
                                     active INTEGER NOT NULL DEFAULT 1, created_at REAL NOT NULL, expires_at REAL);
    CREATE TABLE login_profile (owner TEXT PRIMARY KEY REFERENCES entity (id) ON DELETE CASCADE,
                                created_at REAL NOT NULL, reset_required INTEGER NOT NULL, salt BLOB NOT NULL,
                                hash BLOB NOT NULL);

    CREATE TABLE account_alias (account TEXT PRIMARY KEY, alias TEXT NOT NULL UNIQUE);
    CREATE TABLE role_deletion (id TEXT PRIMARY KEY, account TEXT NOT NULL);
    """
]


def moment(seconds: float) -> datetime:
    """IAM tells whole seconds."""
    return datetime.fromtimestamp(int(seconds), UTC)


@dataclass(frozen=True, slots=True)
class Entity:
    """A role, user, group or instance profile."""

    id: str
    account: str
    kind: Kind
    name: str
    path: str
    created_at: float
    """Seconds since the epoch."""
    description: str
    trust: str
    """A role's trust policy; empty for the others."""
    max_session: int
    """Seconds; of roles."""
    boundary: str
    """The ARN of the policy that bounds a role or user, or nothing."""

    @property
    def arn(self) -> str:
        return names.iam_arn(self.account, self.kind, self.path, self.name)


@dataclass(frozen=True, slots=True)
class Policy:
    id: str
    account: str
    """Twelve digits, or `aws`."""
    name: str
    path: str
    arn: str
    description: str
    created_at: float
    updated_at: float
    default_version: int
    last_version: int


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    policy: str
    number: int
    document: str
    created_at: float


@dataclass(frozen=True, slots=True)
class AccessKey:
    id: str
    account: str
    owner: str | None
    """The user or role it belongs to; None for the account's root."""
    secret: str
    active: int
    created_at: float
    token: str
    expires_at: float | None
    kind: Literal["root", "user", "assumed-role"]
    arn: str
    """Whom a temporary key stands for; empty for long-term keys, which stand for their owner."""
    user_id: str


@dataclass(frozen=True, slots=True)
class ServiceCredential:
    id: str
    account: str
    owner: str
    service: str
    alias: str
    secret: str
    active: int
    created_at: float
    expires_at: float | None


@dataclass(frozen=True, slots=True)
class LoginProfile:
    owner: str
    created_at: float
    reset_required: int
    salt: bytes
    hash: bytes


class IamStore:
    def __init__(self, database: Database) -> None:
        self._db = database
        self._db.migrate(SCHEMA)

    # Entities

    def entities(self, account: str, kind: Kind, path_prefix: str = "/") -> list[Entity]:
        rows = self._db.read("SELECT * FROM entity WHERE account=? AND kind=?", (account, kind))
        found = [Entity(*row) for row in rows if row["path"].startswith(path_prefix)]
        return sorted(found, key=lambda entity: entity.name)

    def entity(self, account: str, kind: Kind, name: str) -> Entity | None:
        return _one(
            Entity,
            self._db.read_one(
                "SELECT * FROM entity WHERE account=? AND kind=? AND name=? COLLATE BINARY", (account, kind, name)
            ),
        )

    def entity_by_id(self, entity_id: str) -> Entity | None:
        return _one(Entity, self._db.read_one("SELECT * FROM entity WHERE id=?", (entity_id,)))

    def name_taken(self, account: str, kind: Kind, name: str, but: str = "") -> bool:
        """Whether another entity (than the one with id `but`) has this name, in whatever case."""
        sql = "SELECT 1 FROM entity WHERE account=? AND kind=? AND name=? AND id<>?"
        return self._db.read_one(sql, (account, kind, name, but)) is not None

    def add_entity(
        self, account: str, kind: Kind, name: str, path: str, tags: Mapping[str, str], **more: Any
    ) -> Entity:
        prefix = {"role": "AROA", "user": "AIDA", "group": "AGPA", "instance-profile": "AIPA"}[kind]
        columns = {
            "id": names.unique_id(prefix),
            "account": account,
            "kind": kind,
            "name": name,
            "path": path,
            "created_at": time.time(),
            **more,
        }
        sql = f"INSERT INTO entity ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))}) RETURNING *"
        with self._db.transaction() as connection:
            entity = Entity(*connection.execute(sql, list(columns.values())).fetchone())
            self.set_tags(entity.id, tags)
        return entity

    def update_entity(self, entity_id: str, **columns: Any) -> None:
        sql = f"UPDATE entity SET {', '.join(f'{column}=?' for column in columns)} WHERE id=?"
        self._db.write(sql, (*columns.values(), entity_id))

    def remove_entity(self, entity_id: str) -> None:
        with self._db.transaction() as connection:
            connection.execute("DELETE FROM entity WHERE id=?", (entity_id,))
            connection.execute("DELETE FROM tag WHERE owner=?", (entity_id,))

    # Tags

    def tags(self, owner: str) -> dict[str, str]:
        rows = self._db.read("SELECT key, value FROM tag WHERE owner=? ORDER BY key", (owner,))
        return {row["key"]: row["value"] for row in rows}

    def set_tags(self, owner: str, tags: Mapping[str, str]) -> None:
        self._db.write_many(
            "INSERT OR REPLACE INTO tag VALUES (?,?,?)", [(owner, key, value) for key, value in tags.items()]
        )

    def remove_tags(self, owner: str, keys: Iterable[str]) -> None:
        self._db.write_many("DELETE FROM tag WHERE owner=? AND key=?", [(owner, key) for key in keys])

    # What entities may do

    def inline_policies(self, owner: str) -> dict[str, str]:
        """Documents by name."""
        rows = self._db.read("SELECT name, document FROM inline_policy WHERE owner=? ORDER BY name", (owner,))
        return {row["name"]: row["document"] for row in rows}

    def put_inline_policy(self, owner: str, name: str, document: str) -> None:
        self._db.write("INSERT OR REPLACE INTO inline_policy VALUES (?,?,?)", (owner, name, document))

    def remove_inline_policy(self, owner: str, name: str) -> bool:
        return bool(self._db.write("DELETE FROM inline_policy WHERE owner=? AND name=?", (owner, name)))

    def attachments(self, owner: str) -> list[str]:
        rows = self._db.read("SELECT policy_arn FROM attachment WHERE owner=? ORDER BY policy_arn", (owner,))
        return [row["policy_arn"] for row in rows]

    def attach(self, owner: str, policy_arn: str) -> None:
        self._db.write("INSERT OR IGNORE INTO attachment VALUES (?,?)", (owner, policy_arn))

    def detach(self, owner: str, policy_arn: str) -> bool:
        return bool(self._db.write("DELETE FROM attachment WHERE owner=? AND policy_arn=?", (owner, policy_arn)))

    def attached_to(self, account: str, policy_arn: str) -> list[Entity]:
        sql = "SELECT entity.* FROM entity JOIN attachment ON owner=id WHERE account=? AND policy_arn=? ORDER BY name"
        return [Entity(*row) for row in self._db.read(sql, (account, policy_arn))]

    def bounded_by(self, account: str, policy_arn: str) -> list[Entity]:
        sql = "SELECT * FROM entity WHERE account=? AND boundary=? ORDER BY name"
        return [Entity(*row) for row in self._db.read(sql, (account, policy_arn))]

    def usage(self, account: str) -> tuple[dict[str, int], dict[str, int]]:
        """How many entities each policy is attached to, and how many it bounds; by ARN."""
        attached = "SELECT policy_arn, count(*) FROM attachment JOIN entity ON id=owner WHERE account=? GROUP BY 1"
        bounds = "SELECT boundary, count(*) FROM entity WHERE account=? AND boundary<>'' GROUP BY 1"
        return (
            {row[0]: row[1] for row in self._db.read(attached, (account,))},
            {row[0]: row[1] for row in self._db.read(bounds, (account,))},
        )

    # Users in groups, roles in instance profiles

    def add_member(self, container: str, member: str) -> None:
        self._db.write("INSERT OR IGNORE INTO member VALUES (?,?)", (container, member))

    def remove_member(self, container: str, member: str) -> bool:
        return bool(self._db.write("DELETE FROM member WHERE container=? AND member=?", (container, member)))

    def members(self, container: str) -> list[Entity]:
        sql = "SELECT entity.* FROM entity JOIN member ON member=id WHERE container=? ORDER BY name"
        return [Entity(*row) for row in self._db.read(sql, (container,))]

    def containers(self, member: str) -> list[Entity]:
        sql = "SELECT entity.* FROM entity JOIN member ON container=id WHERE member=? ORDER BY name"
        return [Entity(*row) for row in self._db.read(sql, (member,))]

    # Policies

    def policies(self, account: str) -> list[Policy]:
        rows = self._db.read("SELECT * FROM policy WHERE account=?", (account,))
        return sorted((Policy(*row) for row in rows), key=lambda policy: policy.name)

    def policy(self, account: str, arn: str) -> Policy | None:
        return _one(Policy, self._db.read_one("SELECT * FROM policy WHERE account=? AND arn=?", (account, arn)))

    def policy_name_taken(self, account: str, name: str) -> bool:
        return self._db.read_one("SELECT 1 FROM policy WHERE account=? AND name=?", (account, name)) is not None

    def add_policy(
        self, account: str, name: str, path: str, description: str, document: str, tags: Mapping[str, str]
    ) -> Policy:
        now = time.time()
        arn = names.iam_arn(account, "policy", path, name)
        policy = Policy(names.unique_id("ANPA"), account, name, path, arn, description, now, now, 1, 1)
        with self._db.transaction() as connection:
            connection.execute(
                "INSERT INTO policy VALUES (?,?,?,?,?,?,?,?,?,?)",
                (policy.id, account, name, path, arn, description, now, now, 1, 1),
            )
            connection.execute("INSERT INTO policy_version VALUES (?,?,?,?)", (policy.id, 1, document, now))
            self.set_tags(policy.id, tags)
        return policy

    def remove_policy(self, policy_id: str) -> None:
        with self._db.transaction() as connection:
            connection.execute("DELETE FROM policy WHERE id=?", (policy_id,))
            connection.execute("DELETE FROM tag WHERE owner=?", (policy_id,))

    def policy_versions(self, policy_id: str) -> list[PolicyVersion]:
        """The newest first."""
        rows = self._db.read("SELECT * FROM policy_version WHERE policy=? ORDER BY number DESC", (policy_id,))
        return [PolicyVersion(*row) for row in rows]

    def add_policy_version(self, policy_id: str, document: str, default: bool) -> PolicyVersion:
        now = time.time()
        with self._db.transaction() as connection:
            number: int = connection.execute(
                "UPDATE policy SET last_version=last_version+1, updated_at=? WHERE id=? RETURNING last_version",
                (now, policy_id),
            ).fetchone()[0]
            connection.execute("INSERT INTO policy_version VALUES (?,?,?,?)", (policy_id, number, document, now))
            if default:
                self.set_default_version(policy_id, number)
        return PolicyVersion(policy_id, number, document, now)

    def set_default_version(self, policy_id: str, number: int) -> None:
        self._db.write("UPDATE policy SET default_version=?, updated_at=? WHERE id=?", (number, time.time(), policy_id))

    def remove_policy_version(self, policy_id: str, number: int) -> None:
        self._db.write("DELETE FROM policy_version WHERE policy=? AND number=?", (policy_id, number))

    # Keys

    def access_keys(self, account: str, owner: str | None) -> list[AccessKey]:
        """The long-term keys of a user, or (None) of the account's root; the oldest first."""
        sql = "SELECT * FROM access_key WHERE account=? AND owner IS ? AND expires_at IS NULL ORDER BY created_at, id"
        return [AccessKey(*row) for row in self._db.read(sql, (account, owner))]

    def access_key(self, key_id: str) -> AccessKey | None:
        return _one(AccessKey, self._db.read_one("SELECT * FROM access_key WHERE id=?", (key_id,)))

    def add_access_key(
        self,
        account: str,
        owner: str | None,
        kind: Literal["root", "user", "assumed-role"],
        *,
        seconds: float | None = None,
        arn: str = "",
        user_id: str = "",
    ) -> AccessKey:
        """A new key; temporary if it has `seconds` to live. Forgets keys that ran out a day ago."""
        now = time.time()
        key = AccessKey(
            id=names.access_key_id("AKIA" if seconds is None else "ASIA", account),
            account=account,
            owner=owner,
            secret=names.secret_access_key(),
            active=1,
            created_at=now,
            token="" if seconds is None else names.session_token(),
            expires_at=None if seconds is None else now + seconds,
            kind=kind,
            arn=arn,
            user_id=user_id,
        )
        with self._db.transaction() as connection:
            connection.execute("DELETE FROM access_key WHERE expires_at<?", (now - 86400,))
            connection.execute(
                "INSERT INTO access_key VALUES (?,?,?,?,?,?,?,?,?,?,?)",
                [getattr(key, name) for name in AccessKey.__slots__],
            )
        return key

    def set_access_key_active(self, key_id: str, active: bool) -> None:
        self._db.write("UPDATE access_key SET active=? WHERE id=?", (active, key_id))

    def remove_access_key(self, key_id: str) -> None:
        self._db.write("DELETE FROM access_key WHERE id=?", (key_id,))

    def service_credentials(self, account: str, owner: str | None = None) -> list[ServiceCredential]:
        """Those of one user, or of all (None)."""
        sql = "SELECT * FROM service_credential WHERE account=? AND (? IS NULL OR owner=?) ORDER BY created_at, id"
        return [ServiceCredential(*row) for row in self._db.read(sql, (account, owner, owner))]

    def service_credential(self, credential_id: str) -> ServiceCredential | None:
        sql = "SELECT * FROM service_credential WHERE id=?"
        return _one(ServiceCredential, self._db.read_one(sql, (credential_id,)))

    def service_credential_by_secret(self, secret: str) -> ServiceCredential | None:
        sql = "SELECT * FROM service_credential WHERE secret=?"
        return _one(ServiceCredential, self._db.read_one(sql, (secret,)))

    def put_service_credential(self, credential: ServiceCredential) -> None:
        self._db.write(
            "INSERT OR REPLACE INTO service_credential VALUES (?,?,?,?,?,?,?,?,?)",
            [getattr(credential, name) for name in ServiceCredential.__slots__],
        )

    def remove_service_credential(self, credential_id: str) -> None:
        self._db.write("DELETE FROM service_credential WHERE id=?", (credential_id,))

    def login_profile(self, owner: str) -> LoginProfile | None:
        return _one(LoginProfile, self._db.read_one("SELECT * FROM login_profile WHERE owner=?", (owner,)))

    def put_login_profile(self, profile: LoginProfile) -> None:
        self._db.write(
            "INSERT OR REPLACE INTO login_profile VALUES (?,?,?,?,?)",
            [getattr(profile, name) for name in LoginProfile.__slots__],
        )

    def remove_login_profile(self, owner: str) -> bool:
        return bool(self._db.write("DELETE FROM login_profile WHERE owner=?", (owner,)))

    # The account

    def alias(self, account: str) -> str | None:
        row = self._db.read_one("SELECT alias FROM account_alias WHERE account=?", (account,))
        return row["alias"] if row else None

    def account_of_alias(self, alias: str) -> str | None:
        row = self._db.read_one("SELECT account FROM account_alias WHERE alias=?", (alias,))
        return row["account"] if row else None

    def set_alias(self, account: str, alias: str | None) -> None:
        with self._db.transaction() as connection:
            connection.execute("DELETE FROM account_alias WHERE account=?", (account,))
            if alias is not None:
                connection.execute("INSERT INTO account_alias VALUES (?,?)", (account, alias))

    def count(self, account: str, table: Literal["entity", "policy", "policy_version", "access_key"]) -> dict[str, int]:
        """Rows of an account: entities by kind, the others as `all`."""
        if table == "entity":
            rows: Sequence[Row] = self._db.read(
                "SELECT kind, count(*) FROM entity WHERE account=? GROUP BY 1", (account,)
            )
        elif table == "policy_version":
            sql = "SELECT 'all', count(*) FROM policy_version JOIN policy ON id=policy WHERE account=?"
            rows = self._db.read(sql, (account,))
        else:
            rows = self._db.read(f"SELECT 'all', count(*) FROM {table} WHERE account=?", (account,))
        return {row[0]: row[1] for row in rows}

    def add_role_deletion(self, task: str, account: str) -> None:
        self._db.write("INSERT INTO role_deletion VALUES (?,?)", (task, account))

    def has_role_deletion(self, task: str, account: str) -> bool:
        sql = "SELECT 1 FROM role_deletion WHERE id=? AND account=?"
        return self._db.read_one(sql, (task, account)) is not None


def _one(kind: Callable[..., Found], row: Row | None) -> Found | None:
    return None if row is None else kind(*row)
