"""Rows of knowledge bases, data sources, ingestion jobs, documents and sessions, as frozen dataclasses."""

from __future__ import annotations

import json
import secrets
import string
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from outcrop.storage import Database, Row

SCHEMA = [
    """
    CREATE TABLE knowledge_base (id TEXT PRIMARY KEY, account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL,
                                 body TEXT NOT NULL, created_at REAL NOT NULL, updated_at REAL NOT NULL,
                                 UNIQUE (account, region, name));
    CREATE TABLE data_source (id TEXT PRIMARY KEY, kb_id TEXT NOT NULL REFERENCES knowledge_base (id) ON DELETE CASCADE,
                              name TEXT NOT NULL, body TEXT NOT NULL, created_at REAL NOT NULL,
                              updated_at REAL NOT NULL, UNIQUE (kb_id, name));
    CREATE TABLE ingestion_job (id TEXT PRIMARY KEY, kb_id TEXT NOT NULL REFERENCES knowledge_base (id)
                                ON DELETE CASCADE, ds_id TEXT NOT NULL, description TEXT, status TEXT NOT NULL,
                                scanned INTEGER, scanned_sidecars INTEGER, failures TEXT NOT NULL DEFAULT '[]',
                                started_at REAL NOT NULL, updated_at REAL NOT NULL, text_ready_at REAL);
    CREATE INDEX ingestion_job_by_source ON ingestion_job (kb_id, ds_id, started_at);
    CREATE TABLE crawl (job_id TEXT NOT NULL REFERENCES ingestion_job (id) ON DELETE CASCADE, uri TEXT NOT NULL,
                        etag TEXT NOT NULL, size INTEGER NOT NULL, sidecar_etag TEXT,
                        PRIMARY KEY (job_id, uri)) WITHOUT ROWID;
    CREATE TABLE outcome (job_id TEXT NOT NULL REFERENCES ingestion_job (id) ON DELETE CASCADE, uri TEXT NOT NULL,
                          kind TEXT NOT NULL, reason TEXT, PRIMARY KEY (job_id, uri)) WITHOUT ROWID;
    CREATE TABLE document (kb_id TEXT NOT NULL REFERENCES knowledge_base (id) ON DELETE CASCADE, ds_id TEXT NOT NULL,
                           uri TEXT NOT NULL, etag TEXT NOT NULL, sidecar_etag TEXT, status TEXT NOT NULL, reason TEXT,
                           chunks INTEGER NOT NULL, updated_at REAL NOT NULL,
                           PRIMARY KEY (kb_id, ds_id, uri)) WITHOUT ROWID;
    CREATE TABLE session (id TEXT PRIMARY KEY, account TEXT NOT NULL, kb_id TEXT NOT NULL, turns TEXT NOT NULL,
                          used_at REAL NOT NULL);
    CREATE TABLE tag (arn TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (arn, key)) WITHOUT ROWID;
    CREATE TABLE client_token (scope TEXT NOT NULL, token TEXT NOT NULL, parameters TEXT NOT NULL, id TEXT NOT NULL,
                               PRIMARY KEY (scope, token)) WITHOUT ROWID;
    """,
    """
    CREATE TABLE parent (id TEXT PRIMARY KEY, kb_id TEXT NOT NULL REFERENCES knowledge_base (id) ON DELETE CASCADE,
                         ds_id TEXT NOT NULL, uri TEXT NOT NULL, text TEXT NOT NULL);
    CREATE INDEX parent_by_document ON parent (kb_id, ds_id, uri);
    CREATE TABLE waiting (seq INTEGER PRIMARY KEY AUTOINCREMENT, kb_id TEXT NOT NULL REFERENCES knowledge_base (id)
                          ON DELETE CASCADE, ds_id TEXT NOT NULL, uri TEXT NOT NULL, action TEXT NOT NULL,
                          content TEXT NOT NULL, data BLOB NOT NULL);
    CREATE INDEX waiting_by_source ON waiting (ds_id, seq);
    ALTER TABLE document ADD COLUMN prefix TEXT NOT NULL DEFAULT '';
    """,
]

ACTIVE_JOB = ("STARTING", "IN_PROGRESS", "STOPPING")

FailureKind = Literal["ignored", "bad_metadata", "too_long", "too_large", "failed"]
FAILURES: tuple[FailureKind, ...] = get_args(FailureKind)
OutcomeKind = Literal["new", "modified", "metadata", "deleted"] | FailureKind


@dataclass(frozen=True, slots=True)
class KnowledgeBase:
    id: str
    account: str
    region: str
    name: str
    body: Mapping[str, Any]
    """What the caller sent and Get answers: description, roleArn, knowledgeBaseConfiguration, storageConfiguration."""
    created_at: float
    updated_at: float

    @property
    def arn(self) -> str:
        return f"arn:aws:bedrock:{self.region}:{self.account}:knowledge-base/{self.id}"

    @property
    def storage_type(self) -> str:
        return str(self.body.get("storageConfiguration", {}).get("type", "S3_VECTORS"))

    @property
    def embedding_model(self) -> str:
        return str(self.body["knowledgeBaseConfiguration"]["vectorKnowledgeBaseConfiguration"]["embeddingModelArn"])


@dataclass(frozen=True, slots=True)
class DataSource:
    id: str
    kb_id: str
    name: str
    body: Mapping[str, Any]
    created_at: float
    updated_at: float


@dataclass(frozen=True, slots=True)
class IngestionJob:
    id: str
    kb_id: str
    ds_id: str
    description: str | None
    status: str
    scanned: int | None
    """Objects in the source; None until its listing is complete, after which a restart needn't repeat it."""
    scanned_sidecars: int | None
    failures: Sequence[str]
    started_at: float
    updated_at: float
    text_ready_at: float | None


@dataclass(frozen=True, slots=True)
class Crawled:
    """An object that the current job saw in its source."""

    uri: str
    etag: str
    size: int
    sidecar_etag: str | None


@dataclass(frozen=True, slots=True)
class Document:
    kb_id: str
    ds_id: str
    uri: str
    etag: str
    sidecar_etag: str | None
    status: str
    reason: str | None
    chunks: int
    updated_at: float
    prefix: str = ""
    """What went before each chunk's text when it was embedded."""


@dataclass(frozen=True, slots=True)
class Session:
    id: str
    account: str
    kb_id: str
    turns: Sequence[tuple[str, str]]
    """Question and answer, oldest first."""
    used_at: float


def new_id() -> str:
    """Ten upper-case letters and digits, as AWS's are."""
    return "".join(secrets.choice(string.ascii_uppercase + string.digits) for _ in range(10))


class KnowledgeBaseStore:
    """All rows of the service, in its own database."""

    def __init__(self, database: Database) -> None:
        self.db = database
        database.migrate(SCHEMA)

    # knowledge bases

    def add_knowledge_base(self, kb: KnowledgeBase) -> None:
        self.db.write(
            "INSERT INTO knowledge_base VALUES (?,?,?,?,?,?,?)",
            (kb.id, kb.account, kb.region, kb.name, json.dumps(kb.body), kb.created_at, kb.updated_at),
        )

    def knowledge_base(self, account: str, region: str, kb_id: str) -> KnowledgeBase | None:
        row = self.db.read_one(
            "SELECT * FROM knowledge_base WHERE id=? AND account=? AND region=?", (kb_id, account, region)
        )
        return _knowledge_base(row) if row else None

    def knowledge_base_named(self, account: str, region: str, name: str) -> KnowledgeBase | None:
        row = self.db.read_one(
            "SELECT * FROM knowledge_base WHERE account=? AND region=? AND name=?", (account, region, name)
        )
        return _knowledge_base(row) if row else None

    def knowledge_bases(self, account: str, region: str, after: str, limit: int) -> list[KnowledgeBase]:
        rows = self.db.read(
            "SELECT * FROM knowledge_base WHERE account=? AND region=? AND id>? ORDER BY id LIMIT ?",
            (account, region, after, limit),
        )
        return [_knowledge_base(row) for row in rows]

    def count_knowledge_bases(self, account: str, region: str) -> int:
        row = self.db.read_one(
            "SELECT COUNT(*) AS n FROM knowledge_base WHERE account=? AND region=?", (account, region)
        )
        return row["n"] if row else 0

    def update_knowledge_base(self, kb_id: str, name: str, body: Mapping[str, Any]) -> None:
        self.db.write(
            "UPDATE knowledge_base SET name=?, body=?, updated_at=? WHERE id=?",
            (name, json.dumps(body), time.time(), kb_id),
        )

    def delete_knowledge_base(self, kb_id: str) -> None:
        with self.db.transaction() as connection:
            connection.execute("DELETE FROM data_source WHERE kb_id=?", (kb_id,))
            connection.execute("DELETE FROM session WHERE kb_id=?", (kb_id,))
            connection.execute("DELETE FROM client_token WHERE id=? OR scope LIKE ?", (kb_id, f"%:{kb_id}%"))
            connection.execute("DELETE FROM knowledge_base WHERE id=?", (kb_id,))

    # data sources

    def add_data_source(self, source: DataSource) -> None:
        self.db.write(
            "INSERT INTO data_source VALUES (?,?,?,?,?,?)",
            (source.id, source.kb_id, source.name, json.dumps(source.body), source.created_at, source.updated_at),
        )

    def data_source(self, kb_id: str, ds_id: str) -> DataSource | None:
        row = self.db.read_one("SELECT * FROM data_source WHERE kb_id=? AND id=?", (kb_id, ds_id))
        return _data_source(row) if row else None

    def data_source_named(self, kb_id: str, name: str) -> DataSource | None:
        row = self.db.read_one("SELECT * FROM data_source WHERE kb_id=? AND name=?", (kb_id, name))
        return _data_source(row) if row else None

    def data_sources(self, kb_id: str, after: str, limit: int) -> list[DataSource]:
        rows = self.db.read(
            "SELECT * FROM data_source WHERE kb_id=? AND id>? ORDER BY id LIMIT ?", (kb_id, after, limit)
        )
        return [_data_source(row) for row in rows]

    def all_data_sources(self) -> list[tuple[KnowledgeBase, DataSource]]:
        """Of every account."""
        bases = {row["id"]: _knowledge_base(row) for row in self.db.read("SELECT * FROM knowledge_base")}
        rows = self.db.read("SELECT * FROM data_source")
        return [(bases[row["kb_id"]], _data_source(row)) for row in rows]

    def update_data_source(self, ds_id: str, name: str, body: Mapping[str, Any]) -> None:
        self.db.write(
            "UPDATE data_source SET name=?, body=?, updated_at=? WHERE id=?",
            (name, json.dumps(body), time.time(), ds_id),
        )

    def delete_data_source(self, kb_id: str, ds_id: str) -> None:
        with self.db.transaction() as connection:
            connection.execute("DELETE FROM document WHERE kb_id=? AND ds_id=?", (kb_id, ds_id))
            connection.execute("DELETE FROM ingestion_job WHERE kb_id=? AND ds_id=?", (kb_id, ds_id))
            connection.execute("DELETE FROM data_source WHERE kb_id=? AND id=?", (kb_id, ds_id))

    # ingestion jobs

    def add_job(self, job: IngestionJob) -> None:
        self.db.write(
            "INSERT INTO ingestion_job (id, kb_id, ds_id, description, status, started_at, updated_at) "
            "VALUES (?,?,?,?,?,?,?)",
            (job.id, job.kb_id, job.ds_id, job.description, job.status, job.started_at, job.updated_at),
        )

    def job(self, kb_id: str, ds_id: str, job_id: str) -> IngestionJob | None:
        row = self.db.read_one("SELECT * FROM ingestion_job WHERE id=? AND kb_id=? AND ds_id=?", (job_id, kb_id, ds_id))
        return _job(row) if row else None

    def jobs(self, kb_id: str, ds_id: str) -> list[IngestionJob]:
        """Newest first."""
        rows = self.db.read(
            "SELECT * FROM ingestion_job WHERE kb_id=? AND ds_id=? ORDER BY started_at DESC", (kb_id, ds_id)
        )
        return [_job(row) for row in rows]

    def active_jobs(self, kb_id: str) -> list[IngestionJob]:
        rows = self.db.read(f"SELECT * FROM ingestion_job WHERE kb_id=? AND status IN {ACTIVE_JOB}", (kb_id,))
        return [_job(row) for row in rows]

    def all_active_jobs(self) -> list[tuple[KnowledgeBase, IngestionJob]]:
        """Of every account, oldest first."""
        rows = self.db.read(f"SELECT * FROM ingestion_job WHERE status IN {ACTIVE_JOB} ORDER BY started_at")
        found = []
        for row in rows:
            kb = self.db.read_one("SELECT * FROM knowledge_base WHERE id=?", (row["kb_id"],))
            if kb is not None:
                found.append((_knowledge_base(kb), _job(row)))
        return found

    def set_job(
        self,
        job_id: str,
        status: str,
        *,
        failures: Sequence[str] | None = None,
        text_ready: bool = False,
    ) -> None:
        now = time.time()
        self.db.write(
            "UPDATE ingestion_job SET status=?, updated_at=?, failures=COALESCE(?, failures), "
            "text_ready_at=COALESCE(?, text_ready_at) WHERE id=?",
            (
                status,
                now,
                None if failures is None else json.dumps(list(failures)),
                now if text_ready else None,
                job_id,
            ),
        )

    def forget_crawl(self, job_id: str) -> None:
        self.db.write("DELETE FROM crawl WHERE job_id=?", (job_id,))

    def add_crawled(self, job_id: str, objects: Iterable[Crawled]) -> None:
        """Sidecars are listed like objects until `finish_crawl` sorts them out."""
        self.db.write_many(
            "INSERT OR REPLACE INTO crawl VALUES (?,?,?,?,?)",
            [(job_id, o.uri, o.etag, o.size, o.sidecar_etag) for o in objects],
        )

    def match_sidecars(self, job_id: str, suffix: str, after: str, limit: int = 5000) -> str:
        """Move each sidecar's tag to the object that it describes, for the objects that follow `after`; answers the
        last of them, or "" if there were none."""
        row = self.db.read_one(
            "SELECT MAX(uri) AS last FROM (SELECT uri FROM crawl WHERE job_id=? AND uri>? ORDER BY uri LIMIT ?)",
            (job_id, after, limit),
        )
        last = row["last"] if row else None
        if last is None:
            return ""
        self.db.write(
            "UPDATE crawl SET sidecar_etag=(SELECT s.etag FROM crawl AS s WHERE s.job_id=crawl.job_id "
            "AND s.uri=crawl.uri || ?) WHERE job_id=? AND uri>? AND uri<=?",
            (suffix, job_id, after, last),
        )
        return str(last)

    def finish_crawl(self, job_id: str, suffix: str) -> None:
        """Drop the sidecars, and keep the counts."""
        with self.db.transaction() as connection:
            connection.execute("DELETE FROM crawl WHERE job_id=? AND uri LIKE ?", (job_id, f"%{suffix}"))
            connection.execute(
                "UPDATE ingestion_job SET (scanned, scanned_sidecars) = "
                "(SELECT COUNT(*), COUNT(sidecar_etag) FROM crawl WHERE job_id=?) WHERE id=?",
                (job_id, job_id),
            )

    def changed(self, job: IngestionJob, after: str, limit: int) -> list[tuple[Crawled, Document | None]]:
        """Objects, by URI, that are new or differ from what is indexed, less those that this job has settled."""
        rows = self.db.read(
            """
            SELECT c.uri, c.etag, c.size, c.sidecar_etag, d.etag AS d_etag, d.sidecar_etag AS d_sidecar,
                   d.status, d.reason, d.chunks, d.updated_at, d.prefix
            FROM crawl AS c LEFT JOIN document AS d ON d.kb_id=? AND d.ds_id=? AND d.uri=c.uri
            WHERE c.job_id=? AND c.uri>?
              AND NOT EXISTS (SELECT 1 FROM outcome AS o WHERE o.job_id=c.job_id AND o.uri=c.uri)
              AND (d.uri IS NULL OR d.status != 'INDEXED' OR d.etag != c.etag
                   OR d.sidecar_etag IS NOT c.sidecar_etag)
            ORDER BY c.uri LIMIT ?
            """,
            (job.kb_id, job.ds_id, job.id, after, limit),
        )
        return [
            (
                Crawled(row["uri"], row["etag"], row["size"], row["sidecar_etag"]),
                None
                if row["d_etag"] is None
                else Document(
                    job.kb_id,
                    job.ds_id,
                    row["uri"],
                    row["d_etag"],
                    row["d_sidecar"],
                    row["status"],
                    row["reason"],
                    row["chunks"],
                    row["updated_at"],
                    row["prefix"],
                ),
            )
            for row in rows
        ]

    def scheduled(self, job: IngestionJob) -> dict[OutcomeKind, int]:
        """How many objects of the job's listing are to be dealt with, by kind, and how many documents are to go."""
        rows = self.db.read(
            """
            SELECT CASE WHEN d.uri IS NULL OR d.status != 'INDEXED' THEN 'new' WHEN d.etag != c.etag THEN 'modified'
                   ELSE 'metadata' END AS kind, COUNT(*) AS n
            FROM crawl AS c LEFT JOIN document AS d ON d.kb_id=? AND d.ds_id=? AND d.uri=c.uri
            WHERE c.job_id=? AND (d.uri IS NULL OR d.status != 'INDEXED' OR d.etag != c.etag
                                  OR d.sidecar_etag IS NOT c.sidecar_etag)
              AND NOT EXISTS (SELECT 1 FROM outcome AS o WHERE o.job_id=c.job_id AND o.uri=c.uri)
            GROUP BY 1
            UNION ALL
            SELECT 'deleted', COUNT(*) FROM document AS d WHERE kb_id=? AND ds_id=? AND status = 'INDEXED'
              AND NOT EXISTS (SELECT 1 FROM crawl AS c WHERE c.job_id=? AND c.uri=d.uri)
            """,
            (job.kb_id, job.ds_id, job.id) * 2,
        )
        return {row["kind"]: row["n"] for row in rows}

    def vanished(self, job: IngestionJob, limit: int) -> list[tuple[str, str]]:
        """URI and status of documents that the source no longer has."""
        rows = self.db.read(
            "SELECT uri, status FROM document AS d WHERE kb_id=? AND ds_id=? "
            "AND NOT EXISTS (SELECT 1 FROM crawl AS c WHERE c.job_id=? AND c.uri=d.uri) LIMIT ?",
            (job.kb_id, job.ds_id, job.id, limit),
        )
        return [(row["uri"], row["status"]) for row in rows]

    def settle(
        self,
        job_id: str,
        uri: str,
        kind: OutcomeKind,
        reason: str | None = None,
        document: Document | None = None,
    ) -> None:
        """Record what a job did with a document, and the document as it now is (None: gone), in one transaction."""
        with self.db.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO outcome VALUES (?,?,?,?)", (job_id, uri, kind, reason))
            if document is not None:
                self.put_document(document)
            elif kind == "deleted":
                connection.execute(
                    "DELETE FROM document WHERE uri=? AND (kb_id, ds_id) = "
                    "(SELECT kb_id, ds_id FROM ingestion_job WHERE id=?)",
                    (uri, job_id),
                )

    def outcomes(self, job_id: str) -> dict[str, int]:
        rows = self.db.read("SELECT kind, COUNT(*) AS n FROM outcome WHERE job_id=? GROUP BY kind", (job_id,))
        return {row["kind"]: row["n"] for row in rows}

    def failed(self, job_id: str, kind: FailureKind, limit: int = 2048) -> list[tuple[str, str]]:
        """URI and cause."""
        rows = self.db.read(
            "SELECT uri, COALESCE(reason, '') AS reason FROM outcome WHERE job_id=? AND kind=? ORDER BY uri LIMIT ?",
            (job_id, kind, limit),
        )
        return [(row["uri"], row["reason"]) for row in rows]

    # documents

    def put_document(self, d: Document) -> None:
        self.db.write(
            "INSERT OR REPLACE INTO document VALUES (?,?,?,?,?,?,?,?,?,?)",
            (d.kb_id, d.ds_id, d.uri, d.etag, d.sidecar_etag, d.status, d.reason, d.chunks, d.updated_at, d.prefix),
        )

    def document(self, kb_id: str, ds_id: str, uri: str) -> Document | None:
        row = self.db.read_one("SELECT * FROM document WHERE kb_id=? AND ds_id=? AND uri=?", (kb_id, ds_id, uri))
        return _document(row) if row else None

    def documents(self, kb_id: str, ds_id: str, after: str = "", limit: int = -1) -> list[Document]:
        rows = self.db.read(
            "SELECT * FROM document WHERE kb_id=? AND ds_id=? AND uri>? ORDER BY uri LIMIT ?",
            (kb_id, ds_id, after, limit),
        )
        return [_document(row) for row in rows]

    def delete_document(self, kb_id: str, ds_id: str, uri: str) -> None:
        self.db.write("DELETE FROM document WHERE kb_id=? AND ds_id=? AND uri=?", (kb_id, ds_id, uri))

    # sessions

    def session(self, account: str, session_id: str) -> Session | None:
        row = self.db.read_one("SELECT * FROM session WHERE id=? AND account=?", (session_id, account))
        if row is None:
            return None
        turns = [(question, answer) for question, answer in json.loads(row["turns"])]
        return Session(row["id"], row["account"], row["kb_id"], turns, row["used_at"])

    def put_session(self, session: Session) -> None:
        self.db.write(
            "INSERT OR REPLACE INTO session VALUES (?,?,?,?,?)",
            (session.id, session.account, session.kb_id, json.dumps(list(session.turns)), session.used_at),
        )

    # tags and client tokens

    def tags(self, arn: str) -> dict[str, str]:
        return {row["key"]: row["value"] for row in self.db.read("SELECT key, value FROM tag WHERE arn=?", (arn,))}

    def tag(self, arn: str, tags: Mapping[str, str]) -> None:
        self.db.write_many("INSERT OR REPLACE INTO tag VALUES (?,?,?)", [(arn, k, v) for k, v in tags.items()])

    def untag(self, arn: str, keys: Sequence[str] | None = None) -> None:
        if keys is None:
            self.db.write("DELETE FROM tag WHERE arn=?", (arn,))
        else:
            self.db.write_many("DELETE FROM tag WHERE arn=? AND key=?", [(arn, key) for key in keys])

    def claimed(self, scope: str, token: str) -> tuple[str, str] | None:
        """Parameters and resulting id of an earlier call with this client token."""
        row = self.db.read_one("SELECT parameters, id FROM client_token WHERE scope=? AND token=?", (scope, token))
        return (row["parameters"], row["id"]) if row else None

    def claim(self, scope: str, token: str, parameters: str, resource_id: str) -> None:
        self.db.write("INSERT OR REPLACE INTO client_token VALUES (?,?,?,?)", (scope, token, parameters, resource_id))


def _knowledge_base(row: Row) -> KnowledgeBase:
    return KnowledgeBase(
        row["id"],
        row["account"],
        row["region"],
        row["name"],
        json.loads(row["body"]),
        row["created_at"],
        row["updated_at"],
    )


def _data_source(row: Row) -> DataSource:
    return DataSource(
        row["id"], row["kb_id"], row["name"], json.loads(row["body"]), row["created_at"], row["updated_at"]
    )


def _job(row: Row) -> IngestionJob:
    return IngestionJob(
        row["id"],
        row["kb_id"],
        row["ds_id"],
        row["description"],
        row["status"],
        row["scanned"],
        row["scanned_sidecars"],
        json.loads(row["failures"]),
        row["started_at"],
        row["updated_at"],
        row["text_ready_at"],
    )


def _document(row: Row) -> Document:
    return Document(*(row[name] for name in Document.__dataclass_fields__))
