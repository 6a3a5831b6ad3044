"""Running an ingestion job: list the source, then bring what changed into the index.

A job survives a crash at any point. The listing is a table, each settled document a row written after its chunks are
durable in the index, and putting a document into the index replaces all that it had: doing one again changes nothing.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import AsyncIterator
from functools import partial

from outcrop.engines.inference.engine import EngineError
from outcrop.jobs import Job, Jobs, Stopped
from outcrop.services.contract import Deps, Principal, ServiceError
from outcrop.services.knowledge_bases.errors import ConflictException
from outcrop.services.knowledge_bases.indexes import Indexes
from outcrop.services.knowledge_bases.ingestion.application_log import SCHEDULED, ApplicationLog
from outcrop.services.knowledge_bases.ingestion.failures import (
    TOO_LARGE,
    DocumentFailure,
    SourceFailure,
    explain,
    sentences,
)
from outcrop.services.knowledge_bases.ingestion.listing import crawl
from outcrop.services.knowledge_bases.ingestion.model_parsing import ModelParsing
from outcrop.services.knowledge_bases.ingestion.objects import MAX_DOCUMENT
from outcrop.services.knowledge_bases.ingestion.pipeline import Incoming, Pipeline, Target
from outcrop.services.knowledge_bases.ingestion.spreading import spread
from outcrop.services.knowledge_bases.ingestion.strategies import strategy
from outcrop.services.knowledge_bases.ingestion.transformation import Transformation
from outcrop.services.knowledge_bases.sidecars import SUFFIX, Attributes
from outcrop.services.knowledge_bases.store import (
    FAILURES,
    Crawled,
    DataSource,
    Document,
    IngestionJob,
    KnowledgeBase,
    KnowledgeBaseStore,
    OutcomeKind,
    new_id,
)

log = logging.getLogger(__name__)

PAGE = 200

Change = tuple[Crawled, Document | None]


class Ingestion:
    """The job kind `ingestion`."""

    def __init__(self, deps: Deps, store: KnowledgeBaseStore, indexes: Indexes, pipeline: Pipeline) -> None:
        self._deps = deps
        self._store = store
        self._indexes = indexes
        self._pipeline = pipeline
        deps.jobs.register("ingestion", self.run)

    @property
    def jobs(self) -> Jobs:
        return self._deps.jobs

    def begin(self, kb: KnowledgeBase, source: DataSource, description: str | None = None) -> IngestionJob:
        """A new job of a source, started."""
        now = time.time()
        job = IngestionJob(new_id(), kb.id, source.id, description, "STARTING", None, None, (), now, now, None)
        self._store.add_job(job)
        self.start(kb, job)
        return job

    def start(self, kb: KnowledgeBase, job: IngestionJob) -> None:
        """Start the job whose row is already written."""
        payload = {"account": kb.account, "region": kb.region, "kb": kb.id, "ds": job.ds_id, "job": job.id}
        self.jobs.submit("ingestion", payload, job_id=job_id(job))

    async def resume(self) -> None:
        """Start the jobs whose rows a crash left before they were started."""
        for kb, job in self._store.all_active_jobs():
            self.start(kb, job)

    def stop(self, job: IngestionJob) -> None:
        """Ask a job to stop."""
        self._store.set_job(job.id, "STOPPING")
        self.jobs.request_stop(job_id(job))

    async def stop_all(self, kb_id: str, ds_id: str | None = None) -> None:
        """Stop the running jobs of a knowledge base (or of one source) and wait until they have ended."""
        for job in self._store.active_jobs(kb_id):
            if ds_id in (None, job.ds_id):
                self.stop(job)
                await self.jobs.wait(job_id(job))

    async def remove_documents(self, kb: KnowledgeBase, source: DataSource) -> None:
        """Take all documents of a source out of the index, if there still is one. Raises ConflictException if it can't
        be opened."""
        try:
            target = await self.target(kb, source)
        except ServiceError as error:
            log.warning("nothing is removed for data source %s: %s", source.id, error.message or error.code)
            return
        except EngineError as error:
            raise ConflictException(
                f"The documents of data source {source.id} can't be removed from the index: {error} Set its "
                "dataDeletionPolicy to RETAIN to delete it nevertheless."
            ) from None
        after = ""
        while documents := self._store.documents(kb.id, source.id, after, PAGE):
            after = documents[-1].uri
            await self._pipeline.remove(target, [document.uri for document in documents])

    async def target(self, kb: KnowledgeBase, source: DataSource, job_id: str = "") -> Target:
        """Where a source's documents go. Raises EngineError if the embedding model can't be loaded."""
        principal = Principal(str(kb.body["roleArn"]), f"{kb.id}:ingestion", kind="assumed-role")
        configuration = source.body.get("vectorIngestionConfiguration", {})
        return Target(
            kb,
            source,
            await self._indexes.get(kb),
            strategy(configuration.get("chunkingConfiguration")),
            partial(self._deps.context, kb.account, kb.region, principal),
            ModelParsing.of(configuration.get("parsingConfiguration")),
            Transformation.of(configuration.get("customTransformationConfiguration")),
            job_id,
        )

    async def run(self, job: Job) -> None:
        """The job handler."""
        payload = job.payload
        kb = self._store.knowledge_base(payload["account"], payload["region"], payload["kb"])
        row = self._store.job(payload["kb"], payload["ds"], payload["job"])
        source = self._store.data_source(payload["kb"], payload["ds"])
        if kb is None or row is None or source is None:
            return
        principal = Principal(str(kb.body["roleArn"]), f"{kb.id}:ingestion", kind="assumed-role")
        told = ApplicationLog(self._deps.context(kb.account, kb.region, principal), self._store, kb, source, row)
        try:
            await self._ingest(job, kb, source, row, told)
        except Stopped:
            await self._end(row, told, "STOPPED")
            raise
        except (SourceFailure, EngineError, ServiceError) as error:
            await self._end(row, told, "FAILED", str(error))
        except Exception as error:
            cause = "the service failed internally; the server's log has the details"
            await self._end(row, told, "FAILED", f"{cause} ({type(error).__name__})")
            raise
        else:
            await self._end(row, told, "COMPLETE")

    async def _ingest(
        self, job: Job, kb: KnowledgeBase, source: DataSource, row: IngestionJob, told: ApplicationLog
    ) -> None:
        job.check()
        self._store.set_job(row.id, "IN_PROGRESS")
        await told.open()
        await told.job("INGESTION_JOB_STARTED")
        await self._pipeline.open()
        target = await self.target(kb, source, row.id)
        if row.scanned is None:
            await crawl(self._store, target.new_context(), source, row.id)
        job.progress(step="crawled")
        await told.job("CRAWLING_COMPLETED")
        settling = Settling(self._store, self._pipeline, target, row, told, strict=self._deps.settings.strict)
        await spread(self._changed(row), settling.settle, self._pipeline.width, job.stop)
        while gone := self._store.vanished(row, PAGE):
            job.check()
            await settling.remove(gone)
        job.check()

    async def _changed(self, row: IngestionJob) -> AsyncIterator[Change]:
        after = ""
        while batch := self._store.changed(row, after, PAGE):
            after = batch[-1][0].uri
            for item in batch:
                yield item

    async def _end(self, row: IngestionJob, told: ApplicationLog, status: str, reason: str = "") -> None:
        await told.job(status)
        failed = {kind: self._store.failed(row.id, kind) for kind in FAILURES}
        reasons = sentences(failed, strict=self._deps.settings.strict)
        self._store.set_job(
            row.id,
            status,
            failures=[*reasons, reason] if reason else reasons,
            text_ready=status == "COMPLETE",
        )
        self._store.forget_crawl(row.id)


def job_id(job: IngestionJob) -> str:
    return f"ingestion-{job.id}"


class Settling:
    """Brings the changes of one job into the index, and records how each went."""

    def __init__(
        self,
        store: KnowledgeBaseStore,
        pipeline: Pipeline,
        target: Target,
        row: IngestionJob,
        told: ApplicationLog,
        *,
        strict: bool,
    ) -> None:
        self._told = told
        self._store = store
        self._pipeline = pipeline
        self._target = target
        self._row = row
        self._strict = strict

    async def settle(self, change: Change) -> None:
        seen = change[0]
        async with self._pipeline.turns(self._pipeline.naming(self._target, seen.uri).document):
            await self._settle(*change)

    async def remove(self, gone: list[tuple[str, str]]) -> None:
        """Documents that the source no longer has, by URI and status."""
        await self._pipeline.remove(self._target, [uri for uri, _ in gone])
        for uri, status in gone:
            if status == "INDEXED":
                await self._told.document(uri, "DELETED")
                self._store.settle(self._row.id, uri, "deleted")
            else:
                self._store.delete_document(self._target.kb.id, self._target.source.id, uri)

    async def _settle(self, seen: Crawled, known: Document | None) -> None:
        try:
            attributes = Attributes()
            if seen.sidecar_etag:
                attributes = await self._pipeline.staging.attributes(self._target.new_context(), seen.uri + SUFFIX)
            kind, chunks = await self._index(seen, known, attributes)
        except DocumentFailure as failure:
            log.warning("%s was not ingested: %s", seen.uri, failure.reason)
            if known is not None:
                await self._pipeline.remove(self._target, [seen.uri])
            reason = explain(failure.kind, failure.reason, strict=self._strict)
            document = self._document(seen, failure.status, reason, 0, "")
            self._store.settle(self._row.id, seen.uri, failure.kind, failure.reason, document)
            status = "RESOURCE_IGNORED" if failure.status == "IGNORED" else "FAILED"
            await self._told.document(seen.uri, status, reasons=[reason])
        else:
            document = self._document(seen, "INDEXED", None, chunks, attributes.prefix())
            self._store.settle(self._row.id, seen.uri, kind, None, document)
            counts = {"metadata_updated" if kind == "metadata" else "created": chunks}
            if kind == "modified" and known is not None:
                counts["deleted"] = known.chunks
            await self._told.document(seen.uri, "INDEXED", chunks=counts)

    async def _index(self, seen: Crawled, known: Document | None, attributes: Attributes) -> tuple[OutcomeKind, int]:
        kind: OutcomeKind = "new"
        if known is not None and known.status == "INDEXED":
            kind = "modified" if known.etag != seen.etag else "metadata"
        await self._told.document(seen.uri, SCHEDULED[kind])
        if known is not None and kind == "metadata" and self._only_rewrites(known, attributes):
            chunks = await self._pipeline.rewrite(self._target, seen.uri, attributes)
            if chunks is not None:
                return kind, chunks
        if seen.size > MAX_DOCUMENT:
            raise DocumentFailure(TOO_LARGE, "too_large")
        async with self._pipeline.staging.fetched(self._target.new_context(), seen.uri) as file:
            incoming = Incoming(seen.uri, file.path, os.path.basename(seen.uri), attributes)
            return kind, await self._pipeline.put(self._target, incoming)

    def _only_rewrites(self, known: Document, attributes: Attributes) -> bool:
        """Whether a change of metadata leaves vectors as they are. Columns of a CSV file are metadata too, and a
        transformation may look at a file's."""
        if self._target.transformation is not None:
            return False
        return known.prefix == attributes.prefix() and not known.uri.lower().endswith(".csv")

    def _document(self, seen: Crawled, status: str, reason: str | None, chunks: int, prefix: str) -> Document:
        return Document(
            self._target.kb.id,
            self._target.source.id,
            seen.uri,
            seen.etag,
            seen.sidecar_etag,
            status,
            reason,
            chunks,
            time.time(),
            prefix,
        )
