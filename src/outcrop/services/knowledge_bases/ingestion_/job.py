"""Running an ingestion job: list the source, then fetch, parse, cut, embed and index what changed.

A job survives a crash at any point. The listing is a table, each settled document a row written after its chunks are
durable in the index, and putting a document into the index replaces all that it had: doing one again changes nothing.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outcrop.engines.chunking.chunk import Chunk, Strategy
from outcrop.engines.indexing.index import Entry, Index
from outcrop.engines.inference.engine import EngineError
from outcrop.engines.parsing.document import ParseError, UnsupportedFormat
from outcrop.jobs import Job, Jobs, Stopped
from outcrop.services.contract import Context, Deps, Principal, ServiceError
from outcrop.services.knowledge_bases import sidecars
from outcrop.services.knowledge_bases.indexes import Indexes
from outcrop.services.knowledge_bases.sidecars import Attributes
from outcrop.services.knowledge_bases.store import (
    Crawled,
    DataSource,
    Document,
    IngestionJob,
    KnowledgeBase,
    KnowledgeBaseStore,
    OutcomeKind,
)
from outcrop.settings import Settings

if TYPE_CHECKING:
    from outcrop.engines.parsing import Parser

log = logging.getLogger(__name__)

MAX_DOCUMENT = 50 * 1024 * 1024
IN_FLIGHT = 4
"""Documents under way at once, so that fetching and parsing go on while others are embedded."""
PAGE = 200


class DocumentFailure(Exception):
    """This document can't be ingested; the text is the true cause, for people."""

    def __init__(self, reason: str, kind: OutcomeKind = "failed") -> None:
        super().__init__(reason)
        self.reason = reason
        self.kind = kind


class SourceFailure(Exception):
    """The source can't be read; the text says why."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a job's documents go."""

    kb: KnowledgeBase
    source: DataSource
    index: Index
    strategy: Strategy
    ctx: Context


class Ingestion:
    """The pipeline, and the job kind `ingestion` that runs it over a bucket."""

    def __init__(self, deps: Deps, store: KnowledgeBaseStore, indexes: Indexes) -> None:
        self._deps = deps
        self._store = store
        self._indexes = indexes
        self._staging = deps.data / "knowledge_bases" / "staging"
        self._parser: Parser | None = None
        self._parser_lock = asyncio.Lock()
        deps.jobs.register("ingestion", self.run)

    @property
    def jobs(self) -> Jobs:
        return self._deps.jobs

    def start(self, kb: KnowledgeBase, job: IngestionJob) -> None:
        """Start the job whose row is already written."""
        payload = {"account": kb.account, "region": kb.region, "kb": kb.id, "ds": job.ds_id, "job": job.id}
        self.jobs.submit("ingestion", payload, job_id=f"ingestion-{job.id}")

    async def stop_all(self, kb_id: str, ds_id: str | None = None) -> None:
        """Stop the running jobs of a knowledge base (or of one source) and wait until they have ended."""
        for job in self._store.active_jobs(kb_id):
            if ds_id in (None, job.ds_id):
                self.jobs.request_stop(f"ingestion-{job.id}")
                await self.jobs.wait(f"ingestion-{job.id}")

    async def aclose(self) -> None:
        if self._parser is not None:
            await self._parser.aclose()
            self._parser = None

    async def run(self, job: Job) -> None:
        """The job handler."""
        payload = job.payload
        kb = self._store.knowledge_base(payload["account"], payload["region"], payload["kb"])
        if kb is None:
            return
        row = self._store.job(kb.id, payload["ds"], payload["job"])
        source = self._store.data_source(kb.id, payload["ds"])
        if row is None or source is None:
            return
        try:
            await self._ingest(job, kb, source, row)
        except Stopped:
            self._store.set_job(row.id, "STOPPED", failures=self._failures(row.id))
            raise
        except (SourceFailure, EngineError) as error:
            self._store.set_job(row.id, "FAILED", failures=[*self._failures(row.id), str(error)])
        except Exception as error:
            cause = "the service failed internally; the server's log has the details"
            self._store.set_job(row.id, "FAILED", failures=[f"{cause} ({type(error).__name__})"])
            raise

    async def _ingest(self, job: Job, kb: KnowledgeBase, source: DataSource, row: IngestionJob) -> None:
        job.check()
        self._store.set_job(row.id, "IN_PROGRESS")
        target = await self.target(kb, source)
        if row.scanned is None:
            await self._crawl(target, row)
        job.progress(step="crawled")

        queue: asyncio.Queue[tuple[Crawled, Document | None] | None] = asyncio.Queue(IN_FLIGHT)

        async def work() -> None:
            while (item := await queue.get()) is not None:
                await self._settle(target, row, *item)

        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(IN_FLIGHT):
                    tasks.create_task(work())
                async for item in self._changed(row):
                    job.check()
                    await queue.put(item)
                for _ in range(IN_FLIGHT):
                    await queue.put(None)
        except* Stopped:
            raise Stopped from None
        except* (SourceFailure, EngineError) as group:
            raise group.exceptions[0] from None
        await self._remove_vanished(job, target, row)
        self._store.set_job(row.id, "COMPLETE", failures=self._failures(row.id), text_ready=True)
        self._store.forget_crawl(row.id)

    async def _changed(self, row: IngestionJob) -> AsyncIterator[tuple[Crawled, Document | None]]:
        after = ""
        while batch := self._store.changed(row, after, PAGE):
            after = batch[-1][0].uri
            for item in batch:
                yield item

    async def target(self, kb: KnowledgeBase, source: DataSource) -> Target:
        principal = Principal(str(kb.body["roleArn"]), f"{kb.id}:ingestion", kind="assumed-role")
        ctx = self._deps.context(kb.account, kb.region, principal)
        return Target(kb, source, await self._indexes.get(kb), strategy(source), ctx)

    # the source

    async def _crawl(self, target: Target, row: IngestionJob) -> None:
        self._store.forget_crawl(row.id)
        configuration = target.source.body["dataSourceConfiguration"]
        if configuration["type"] != "S3":
            raise SourceFailure(
                f"A data source of type {configuration['type']} has nothing to sync: ingest its documents directly."
            )
        bucket = configuration["s3Configuration"]["bucketArn"].rsplit(":", 1)[-1]
        prefixes = configuration["s3Configuration"].get("inclusionPrefixes") or [""]
        for prefix in prefixes:
            request: dict[str, Any] = {"Bucket": bucket, "Prefix": prefix}
            while True:
                try:
                    listing = await target.ctx.call("s3", "list_objects_v2", request)
                except ServiceError as error:
                    raise SourceFailure(
                        f"Encountered error: the bucket {bucket} can't be listed: {error.message or error.code}. "
                        "Call to Customer Source did not succeed."
                    ) from None
                self._store.add_crawled(
                    row.id,
                    [
                        Crawled(f"s3://{bucket}/{item['Key']}", item["ETag"], item["Size"], None)
                        for item in listing.get("Contents", ())
                        if not item["Key"].endswith("/")
                    ],
                )
                if not listing.get("IsTruncated"):
                    break
                request["ContinuationToken"] = listing["NextContinuationToken"]
        self._store.finish_crawl(row.id, sidecars.SUFFIX)

    def staging(self) -> Path:
        """The directory for files that live only while they are read."""
        self._staging.mkdir(parents=True, exist_ok=True)
        return self._staging

    async def fetch(self, ctx: Context, uri: str, limit: int = MAX_DOCUMENT) -> Path:
        """Copy an object to a file of its own; the caller unlinks it. Raises DocumentFailure."""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        try:
            answer = await ctx.call("s3", "get_object", {"Bucket": bucket, "Key": key})
        except ServiceError as error:
            raise DocumentFailure(f"it can't be read: {error.message or error.code}") from None
        path = self.staging() / uuid.uuid4().hex
        size = 0
        try:
            with path.open("wb") as file:
                async for piece in answer["Body"]:
                    size += len(piece)
                    if size > limit:
                        raise DocumentFailure(
                            "Resource exceeded allowed size limit of 50 Megabytes. "
                            "Please reduce the resource size and retry"
                        )
                    await asyncio.to_thread(file.write, piece)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return path

    # one document

    async def _settle(self, target: Target, row: IngestionJob, seen: Crawled, known: Document | None) -> None:
        """Bring one object into the index and record how it went."""
        indexed = known is not None and known.status == "INDEXED"
        if not indexed:
            kind: OutcomeKind = "new"
        else:
            assert known is not None
            kind = "modified" if known.etag != seen.etag else "metadata"
        uri = seen.uri
        try:
            attributes = await self._attributes(target.ctx, uri) if seen.sidecar_etag else Attributes()
            if seen.size > MAX_DOCUMENT:
                raise DocumentFailure(
                    "Resource exceeded allowed size limit of 50 Megabytes. Please reduce the resource size and retry"
                )
            path = await self.fetch(target.ctx, uri)
            try:
                chunks = await self.index_file(target, uri, path, os.path.basename(uri), attributes)
            finally:
                path.unlink(missing_ok=True)
        except DocumentFailure as failure:
            log.warning("%s was not ingested: %s", uri, failure.reason)
            if known is not None:
                await self._indexes.delete_documents(target.index, [f"{target.source.id}|{uri}"])
            status = "IGNORED" if failure.kind == "ignored" else "FAILED"
            document = self._document(target, seen, status, failure.reason, 0)
            self._store.settle(row.id, uri, failure.kind, failure.reason, document)
        else:
            self._store.settle(row.id, uri, kind, None, self._document(target, seen, "INDEXED", None, chunks))

    def _document(self, target: Target, seen: Crawled, status: str, reason: str | None, chunks: int) -> Document:
        return Document(
            target.kb.id,
            target.source.id,
            seen.uri,
            seen.etag,
            seen.sidecar_etag,
            status,
            reason,
            chunks,
            time.time(),
        )

    async def _attributes(self, ctx: Context, uri: str) -> Attributes:
        path = await self.fetch(ctx, uri + sidecars.SUFFIX, limit=MAX_DOCUMENT)
        try:
            return sidecars.parse(path.read_bytes())
        except sidecars.InvalidAttributes as error:
            raise DocumentFailure(str(error), "bad_metadata") from None
        finally:
            path.unlink(missing_ok=True)

    async def index_file(self, target: Target, uri: str, path: Path, name: str, attributes: Attributes) -> int:
        """Parse, cut, embed and index one file under the name `uri`; answers its number of chunks. Raises
        DocumentFailure, EngineError."""
        from outcrop.engines.chunking import chunk

        parser = await self._open_parser()
        try:
            document = await parser.parse(path, name)
        except UnsupportedFormat as error:
            raise DocumentFailure(str(error), "ignored") from None
        except ParseError as error:
            raise DocumentFailure(str(error)) from None
        embedder = await self._indexes.embedder(target.kb)
        chunks = await asyncio.to_thread(chunk, document, target.strategy, embedder.token_spans)
        prefix = attributes.prefix()
        texts = [prefix + embedded_text(c, document.title) for c in chunks]
        vectors = await embedder.embed(texts)
        entries = [
            Entry(
                id=str(uuid.uuid5(uuid.NAMESPACE_URL, f"{target.kb.id}|{target.source.id}|{uri}|{c.ordinal}")),
                document=f"{target.source.id}|{uri}",
                text=c.text,
                metadata=metadata(self._deps.settings, target.source.id, uri, c, attributes),
                vector=vector,
            )
            for c, vector in zip(chunks, vectors, strict=True)
        ]
        await asyncio.to_thread(target.index.replace_document, f"{target.source.id}|{uri}", entries)
        return len(entries)

    async def _open_parser(self) -> Parser:
        async with self._parser_lock:
            if self._parser is None:
                from outcrop.engines.parsing import Parser

                parser = Parser(workers=max(1, (os.cpu_count() or 2) - 1))
                await parser.open()
                self._parser = parser
            return self._parser

    # the end of a job

    async def _remove_vanished(self, job: Job, target: Target, row: IngestionJob) -> None:
        while gone := self._store.vanished(row, PAGE):
            job.check()
            await self._indexes.delete_documents(target.index, [f"{target.source.id}|{uri}" for uri, _ in gone])
            for uri, status in gone:
                if status == "INDEXED":
                    self._store.settle(row.id, uri, "deleted")
                else:
                    self._store.delete_document(target.kb.id, target.source.id, uri)

    def _failures(self, job_id: str) -> list[str]:
        """AWS's sentences, and in helpful mode after each the true cause of each file."""
        reasons = []
        helpful = not self._deps.settings.strict
        if ignored := self._store.failed(job_id, "ignored"):
            reasons.append(
                f"Encountered error: Ignored {len(ignored)} files as their file format was not supported. "
                f"[Files: {_files(ignored)}]. Call to Customer Source did not succeed."
            )
        if invalid := self._store.failed(job_id, "bad_metadata"):
            reasons.append(
                f"Encountered error: Ignored {len(invalid)} files due to invalid metadata attributes. Check that the "
                "attribute keys and values don't exceed the character quota, and that the attribute values are "
                "acceptable data types (strings, numbers, or Booleans). Then retry your request "
                f"[Files: {_files(invalid)}]. Call to Customer Source did not succeed."
            )
            if helpful:
                reasons += [f"{uri}: {reason}" for uri, reason in invalid]
        if failed := self._store.failed(job_id, "failed"):
            if helpful:
                reasons += [f"Encountered error: {reason}. [Files: {uri}]" for uri, reason in failed]
            else:
                reasons.append(
                    "Encountered error: Resource not processed due to a service exception. Please reach out to Amazon "
                    f"Bedrock technical support team. [Files: {_files(failed)}]"
                )
        return reasons[:2048]


def _files(failures: list[tuple[str, str]]) -> str:
    return ", ".join(uri for uri, _ in failures)


def strategy(source: DataSource) -> Strategy:
    """How this source's documents are cut."""
    chunking = source.body.get("vectorIngestionConfiguration", {}).get("chunkingConfiguration")
    if not chunking:
        return Strategy()
    if chunking["chunkingStrategy"] == "NONE":
        return Strategy("none")
    fixed = chunking["fixedSizeChunkingConfiguration"]
    return Strategy("fixed", fixed["maxTokens"], fixed["overlapPercentage"])


def embedded_text(chunk: Chunk, title: str) -> str:
    """What is embedded for a chunk: its headings first where its own text doesn't begin with them."""
    heading = chunk.section.rsplit(" › ", 1)[-1] or title
    return chunk.text if not heading or chunk.text.startswith(heading) else f"{heading}\n{chunk.text}"


def metadata(settings: Settings, ds_id: str, uri: str, chunk: Chunk, attributes: Attributes) -> Mapping[str, Any]:
    """What filters see and results carry. Keys that begin with `_` stay inside."""
    result: dict[str, Any] = {
        **dict(chunk.attributes),
        **attributes.filterable,
        "x-amz-bedrock-kb-source-uri": uri,
        "x-amz-bedrock-kb-data-source-id": ds_id,
        "x-amz-bedrock-kb-source-file-modality": "TEXT",
    }
    if chunk.page is not None:
        result["x-amz-bedrock-kb-document-page-number"] = float(chunk.page - 1 + settings.page_number_base)
        result["_page"] = chunk.page
    if chunk.section:
        result["_section"] = chunk.section
    if chunk.box is not None:
        result["_box"] = list(chunk.box)
    return result
