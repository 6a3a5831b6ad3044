"""The job runner. The store is the truth: `submit` commits a row before anything runs, a restart finds it again, and
the final status is written even while the server is going down."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from outcrop.storage import Database, Row

log = logging.getLogger(__name__)

Status = Literal["queued", "running", "done", "failed", "stopped"]
Handler = Callable[["Job"], Awaitable[None]]

KEPT_SECONDS = 7 * 86400.0
"""How long jobs are kept that have ended."""

SCHEMA = [
    """
    CREATE TABLE job (id TEXT PRIMARY KEY, kind TEXT NOT NULL, payload TEXT NOT NULL, status TEXT NOT NULL,
                      stop_requested INTEGER NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0,
                      error TEXT, created_at REAL NOT NULL, updated_at REAL NOT NULL);
    CREATE INDEX job_by_status ON job (status, created_at);
    CREATE TABLE job_event (job_id TEXT NOT NULL REFERENCES job (id) ON DELETE CASCADE, number INTEGER NOT NULL,
                            at REAL NOT NULL, event TEXT NOT NULL, PRIMARY KEY (job_id, number)) WITHOUT ROWID;
    """
]


class Stopped(Exception):
    """Raised out of a handler by `Job.check()` once someone asked the job to stop."""


@dataclass(frozen=True, slots=True)
class JobRecord:
    id: str
    kind: str
    payload: Mapping[str, Any]
    status: Status
    attempts: int
    error: str | None
    created_at: float
    """Seconds since the epoch, as is `updated_at`."""
    updated_at: float


class Job:
    """A running job, as its handler sees it. A handler may run again from the start after a crash: it must find out
    from its own store what is already done."""

    def __init__(self, jobs: Jobs, record: JobRecord) -> None:
        self._jobs = jobs
        self.id = record.id
        self.payload = record.payload
        self.attempts = record.attempts
        """1 on the first run; more when the server died during earlier ones."""
        self.stop = asyncio.Event()
        """Set once someone asked the job to stop."""

    def check(self) -> None:
        """Raise `Stopped` if someone asked the job to stop."""
        if self.stop.is_set():
            raise Stopped

    def progress(self, **event: Any) -> None:
        """Append a numbered event, such as `progress(done=3, total=10, step="parse")`."""
        self._jobs.append_event(self.id, event)


class Jobs:
    """Runs jobs by kind, one asyncio task each. `register` the kinds before `start()`."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._db.migrate(SCHEMA)
        self._handlers: dict[str, Handler] = {}
        self._running: dict[str, tuple[Job, asyncio.Task[None]]] = {}
        self._news = asyncio.Condition()
        self._announcing: set[asyncio.Task[None]] = set()
        self._accepting = False

    def register(self, kind: str, handler: Handler) -> None:
        """Name the coroutine that runs jobs of this kind. A handler that raises `Stopped` ends as stopped, any other
        exception ends the job as failed with its text; cancellation (the server stops) leaves it to the next start."""
        if kind in self._handlers:
            raise ValueError(f"two handlers for jobs of kind {kind!r}")
        self._handlers[kind] = handler

    def start(self) -> None:
        """Forget the jobs that ended long ago; resume every job that had not ended, oldest first."""
        self._accepting = True
        self._prune(time.time() - KEPT_SECONDS)
        for row in self._db.read("SELECT * FROM job WHERE status IN ('queued', 'running') ORDER BY created_at"):
            self._launch(_record(row))

    def submit(self, kind: str, payload: Mapping[str, Any], job_id: str | None = None) -> str:
        """Commit a job and start it; answers its id. Submitting an id again does nothing."""
        if kind not in self._handlers:
            raise ValueError(f"no handler is registered for jobs of kind {kind!r}")
        job_id, now = job_id or str(uuid.uuid4()), time.time()
        created = self._db.write(
            "INSERT OR IGNORE INTO job (id, kind, payload, status, created_at, updated_at) VALUES (?,?,?,'queued',?,?)",
            (job_id, kind, json.dumps(payload), now, now),
        )
        record = self.get(job_id)
        if created and record and self._accepting:
            self._launch(record)
        return job_id

    def request_stop(self, job_id: str) -> bool:
        """Ask a job to stop; False if it isn't running (any more)."""
        changed = self._db.write(
            "UPDATE job SET stop_requested=1 WHERE id=? AND status IN ('queued', 'running')", (job_id,)
        )
        if job_id in self._running:
            self._running[job_id][0].stop.set()
        return bool(changed)

    def get(self, job_id: str) -> JobRecord | None:
        row = self._db.read_one("SELECT * FROM job WHERE id=?", (job_id,))
        return _record(row) if row else None

    def append_event(self, job_id: str, event: Mapping[str, Any]) -> None:
        self._db.write(
            "INSERT INTO job_event (job_id, number, at, event) "
            "SELECT ?, 1 + COALESCE(MAX(number), 0), ?, ? FROM job_event WHERE job_id=?",
            (job_id, time.time(), json.dumps(event), job_id),
        )
        self._announce()

    async def events(self, job_id: str, after: int = 0) -> AsyncIterator[tuple[int, dict[str, Any]]]:
        """Numbered events from `after` on, until the job ends."""
        while True:
            ended = (record := self.get(job_id)) is None or record.status not in ("queued", "running")
            for row in self._db.read(
                "SELECT number, event FROM job_event WHERE job_id=? AND number>? ORDER BY number", (job_id, after)
            ):
                after = row["number"]
                yield after, json.loads(row["event"])
            if ended:
                return
            async with self._news:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), 1.0)

    async def wait(self, job_id: str) -> JobRecord | None:
        """Wait until a job has ended; its last record."""
        if entry := self._running.get(job_id):
            await asyncio.wait([entry[1]])
        return self.get(job_id)

    async def aclose(self) -> None:
        """Cancel what runs, keeping it for the next start."""
        self._accepting = False
        tasks = [task for _, task in self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _prune(self, before: float) -> None:
        """Delete the jobs that ended before then. Their events go with them."""
        self._db.write("DELETE FROM job WHERE status NOT IN ('queued', 'running') AND updated_at<?", (before,))

    def _launch(self, record: JobRecord) -> None:
        handler = self._handlers.get(record.kind)
        if handler is None:
            log.warning("job %s is of kind %r, which nothing runs any more: left as it is", record.id, record.kind)
            return
        job = Job(self, record)
        job.attempts += 1
        row = self._db.read_one("SELECT stop_requested FROM job WHERE id=?", (record.id,))
        if row and row["stop_requested"]:
            job.stop.set()
        self._set(record.id, "running", attempts=job.attempts)
        task = asyncio.get_running_loop().create_task(self._run(handler, job), name=f"job {record.kind} {record.id}")
        self._running[record.id] = (job, task)

    async def _run(self, handler: Handler, job: Job) -> None:
        try:
            await handler(job)
        except asyncio.CancelledError:
            self._set(job.id, "queued")
            raise
        except Stopped:
            self._set(job.id, "stopped")
        except Exception as error:
            log.exception("job %s failed", job.id)
            self._set(job.id, "failed", error=f"{type(error).__name__}: {error}")
        else:
            self._set(job.id, "done")
        finally:
            del self._running[job.id]
            self._announce()

    def _set(self, job_id: str, status: Status, *, attempts: int | None = None, error: str | None = None) -> None:
        self._db.write(
            "UPDATE job SET status=?, attempts=COALESCE(?, attempts), error=?, updated_at=? WHERE id=?",
            (status, attempts, error, time.time(), job_id),
        )

    def _announce(self) -> None:
        async def announce() -> None:
            async with self._news:
                self._news.notify_all()

        with contextlib.suppress(RuntimeError):  # no loop: nobody can be waiting
            task = asyncio.get_running_loop().create_task(announce())
            self._announcing.add(task)
            task.add_done_callback(self._announcing.discard)


def _record(row: Row) -> JobRecord:
    return JobRecord(
        row["id"],
        row["kind"],
        json.loads(row["payload"]),
        row["status"],
        row["attempts"],
        row["error"],
        row["created_at"],
        row["updated_at"],
    )
