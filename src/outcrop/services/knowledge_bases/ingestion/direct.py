"""Documents that are handed over directly: kept first, then brought into the index by a job."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from outcrop.engines.inference.engine import EngineError
from outcrop.jobs import Job, Jobs
from outcrop.services.contract import Deps, ServiceError
from outcrop.services.knowledge_bases import sidecars
from outcrop.services.knowledge_bases.ingestion.failures import DocumentFailure, explain
from outcrop.services.knowledge_bases.ingestion.job import Ingestion
from outcrop.services.knowledge_bases.ingestion.pipeline import Incoming, Pipeline, Target
from outcrop.services.knowledge_bases.ingestion.spreading import Turns, spread
from outcrop.services.knowledge_bases.ingestion.waiting import Handed, Waiting, WaitingStore
from outcrop.services.knowledge_bases.sidecars import Attributes
from outcrop.services.knowledge_bases.store import DataSource, Document, KnowledgeBase, KnowledgeBaseStore

log = logging.getLogger(__name__)

SUFFIXES: Mapping[str, str] = MappingProxyType(
    {
        "text/plain": ".txt",
        "text/markdown": ".md",
        "text/html": ".html",
        "application/xhtml+xml": ".html",
        "text/csv": ".csv",
        "text/vtt": ".txt",
        "message/rfc822": ".txt",
        "application/pdf": ".pdf",
        "application/msword": ".doc",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
        "application/vnd.ms-excel": ".xls",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
    }
)
"""MIME type of inline content -> the extension that tells its format."""


class Direct:
    """The job kind `direct-ingestion`. One job at a time for each data source; of a document that was handed over
    again before its turn, the last one counts."""

    def __init__(
        self, deps: Deps, store: KnowledgeBaseStore, waiting: WaitingStore, ingestion: Ingestion, pipeline: Pipeline
    ) -> None:
        self._settings = deps.settings
        self._jobs: Jobs = deps.jobs
        self._store = store
        self._waiting = waiting
        self._ingestion = ingestion
        self._pipeline = pipeline
        self._turns = Turns()
        self._running: dict[str, tuple[str, str]] = {}
        deps.jobs.register("direct-ingestion", self.run)

    def hand_over(self, kb: KnowledgeBase, source: DataSource, documents: Sequence[Handed]) -> None:
        """Keep documents durably and start on them."""
        shown = []
        for handed in documents:
            known = self._store.document(kb.id, source.id, handed.uri)
            status = "STARTING" if handed.action == "ingest" else "DELETING"
            chunks = known.chunks if known else 0
            shown.append(_document(kb.id, source.id, handed.uri, status, chunks=chunks))
        self._waiting.add(list(zip(documents, shown, strict=True)))
        self._start(kb.account, kb.region, kb.id, source.id)

    async def resume(self) -> None:
        """Start on what a crash left before its job was started."""
        for account, region, kb_id, ds_id in self._waiting.sources():
            self._start(account, region, kb_id, ds_id)

    async def stop_all(self, kb_id: str, ds_id: str | None = None) -> None:
        """Forget what waits for a knowledge base (or for one source), and wait until nothing of it is under way."""
        for source in self._store.data_sources(kb_id, "", -1):
            if ds_id in (None, source.id):
                self._waiting.forget(kb_id, source.id)
        for job_id, (of_kb, of_ds) in list(self._running.items()):
            if of_kb == kb_id and ds_id in (None, of_ds):
                self._jobs.request_stop(job_id)
                await self._jobs.wait(job_id)

    def _start(self, account: str, region: str, kb_id: str, ds_id: str) -> None:
        job_id = f"direct-{uuid.uuid4()}"
        self._running[job_id] = (kb_id, ds_id)
        payload = {"account": account, "region": region, "kb": kb_id, "ds": ds_id}
        self._jobs.submit("direct-ingestion", payload, job_id=job_id)

    async def run(self, job: Job) -> None:
        """The job handler."""
        payload = job.payload
        self._running[job.id] = (payload["kb"], payload["ds"])
        try:
            async with self._turns(payload["ds"]):
                kb = self._store.knowledge_base(payload["account"], payload["region"], payload["kb"])
                source = self._store.data_source(payload["kb"], payload["ds"])
                if kb is not None and source is not None:
                    await self._drain(job, kb, source)
        finally:
            del self._running[job.id]

    async def _drain(self, job: Job, kb: KnowledgeBase, source: DataSource) -> None:
        try:
            await self._pipeline.open()
            target = await self._ingestion.target(kb, source, job.id.removeprefix("direct-"))
        except (EngineError, ServiceError) as error:
            async for waiting in self._take(source):
                self._fail(kb.id, source.id, waiting, DocumentFailure(str(error)))
            return

        async def settle(waiting: Waiting) -> None:
            async with self._pipeline.turns(self._pipeline.naming(target, waiting.uri).document):
                await self._settle(target, waiting)

        await spread(self._take(source), settle, self._pipeline.width, job.stop)

    async def _take(self, source: DataSource) -> AsyncIterator[Waiting]:
        seq = 0
        while waiting := self._waiting.after(source.id, seq):
            seq = waiting.seq
            yield waiting

    async def _settle(self, target: Target, waiting: Waiting) -> None:
        kb_id, ds_id = target.kb.id, target.source.id
        if self._waiting.is_replaced(ds_id, waiting):
            self._waiting.settle(waiting)
            return
        status = "IN_PROGRESS" if waiting.action == "ingest" else "DELETE_IN_PROGRESS"
        known = self._store.document(kb_id, ds_id, waiting.uri)
        self._store.put_document(_document(kb_id, ds_id, waiting.uri, status, chunks=known.chunks if known else 0))
        if waiting.action == "delete":
            await self._pipeline.remove(target, [waiting.uri])
            self._store.delete_document(kb_id, ds_id, waiting.uri)
            self._waiting.settle(waiting)
            return
        try:
            document = await self._put(target, waiting)
        except (DocumentFailure, sidecars.InvalidAttributes, EngineError) as error:
            failure = error if isinstance(error, DocumentFailure) else _as_failure(error)
            log.warning("%s was not ingested: %s", waiting.uri, failure.reason)
            await self._pipeline.remove(target, [waiting.uri])
            self._fail(kb_id, ds_id, waiting, failure)
        else:
            self._waiting.settle(waiting, document)

    def _fail(self, kb_id: str, ds_id: str, waiting: Waiting, failure: DocumentFailure) -> None:
        reason = explain(failure.kind, failure.reason, strict=self._settings.strict)
        self._waiting.settle(waiting, _document(kb_id, ds_id, waiting.uri, failure.status, reason=reason))

    async def _put(self, target: Target, waiting: Waiting) -> Document:
        attributes = await self._attributes(target, waiting.content.get("metadata"))
        async with self._file(target, waiting) as (path, name, etag):
            chunks = await self._pipeline.put(target, Incoming(waiting.uri, path, name, attributes))
        return _document(
            target.kb.id,
            target.source.id,
            waiting.uri,
            "INDEXED",
            etag=etag,
            chunks=chunks,
            prefix=attributes.prefix(),
        )

    async def _attributes(self, target: Target, given: Mapping[str, Any] | None) -> Attributes:
        if given is None:
            return Attributes()
        if given["type"] == "IN_LINE_ATTRIBUTE":
            return sidecars.from_inline(given.get("inlineAttributes", []))
        return await self._pipeline.staging.attributes(target.new_context(), given["s3Location"]["uri"])

    @asynccontextmanager
    async def _file(self, target: Target, waiting: Waiting) -> AsyncIterator[tuple[Path, str, str]]:
        """A file with the document, the name that tells its format, and the object's tag if it is one."""
        content = waiting.content["content"]
        if location := content.get("s3", content.get("custom", {})).get("s3Location"):
            async with self._pipeline.staging.fetched(target.new_context(), location["uri"]) as fetched:
                yield fetched.path, location["uri"].rsplit("/", 1)[-1], fetched.etag
            return
        inline = content["custom"]["inlineContent"]
        mime = "text/plain" if inline["type"] == "TEXT" else inline["byteContent"]["mimeType"]
        suffix = SUFFIXES.get(mime.split(";")[0].strip().lower())
        if suffix is None:
            raise DocumentFailure(
                f"the MIME type {mime} isn't one that can be read, only {', '.join(SUFFIXES)}", "ignored"
            )
        path = self._pipeline.staging.new()
        try:
            path.write_bytes(waiting.data)
            yield path, f"document{suffix}", ""
        finally:
            path.unlink(missing_ok=True)


def _as_failure(error: Exception) -> DocumentFailure:
    return DocumentFailure(str(error), "bad_metadata" if isinstance(error, sidecars.InvalidAttributes) else "failed")


def _document(
    kb_id: str,
    ds_id: str,
    uri: str,
    status: str,
    *,
    reason: str | None = None,
    etag: str = "",
    chunks: int = 0,
    prefix: str = "",
) -> Document:
    return Document(kb_id, ds_id, uri, etag, None, status, reason, chunks, time.time(), prefix)
