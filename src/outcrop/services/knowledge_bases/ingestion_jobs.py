"""Ingestion jobs as their callers see them: start, get, list, stop."""

from __future__ import annotations

from typing import Any

from outcrop.services.contract import Context, Request, Result
from outcrop.services.knowledge_bases.common import ClientTokens, find_data_source, find_knowledge_base, when
from outcrop.services.knowledge_bases.errors import ConflictException, ResourceNotFoundException, ValidationException
from outcrop.services.knowledge_bases.ingestion.job import Ingestion
from outcrop.services.knowledge_bases.quotas import Quotas
from outcrop.services.knowledge_bases.store import FAILURES, IngestionJob, KnowledgeBase, KnowledgeBaseStore


class IngestionJobs:
    def __init__(self, store: KnowledgeBaseStore, ingestion: Ingestion, quotas: Quotas) -> None:
        self._quotas = quotas
        self._store = store
        self._ingestion = ingestion

    async def start_ingestion_job(self, ctx: Context, request: Request) -> Result:
        kb = find_knowledge_base(self._store, ctx, request["knowledgeBaseId"])
        source = find_data_source(self._store, kb, request["dataSourceId"])
        tokens = ClientTokens(self._store, f"{ctx.account}:{kb.id}:{source.id}:start_ingestion_job", request)
        if (earlier := tokens.earlier()) and (job := self._store.job(kb.id, source.id, earlier)):
            return {"ingestionJob": self._describe(job)}
        if source.body["dataSourceConfiguration"]["type"] == "CUSTOM":
            raise ValidationException(
                "StartIngestionJob isn't supported for data sources of type CUSTOM. "
                "Use IngestKnowledgeBaseDocuments to add documents to this data source."
            )
        if self._store.active_jobs(kb.id):
            raise ConflictException("There is an ongoing ingestion job for this data source")
        self._quotas.job(ctx)
        job = self._ingestion.begin(kb, source, request.get("description"))
        tokens.keep(job.id)
        return {"ingestionJob": self._describe(job)}

    async def get_ingestion_job(self, ctx: Context, request: Request) -> Result:
        _, job = self._find(ctx, request)
        described = self._describe(job)
        if job.failures:
            described["failureReasons"] = list(job.failures)
        return {"ingestionJob": described}

    async def list_ingestion_jobs(self, ctx: Context, request: Request) -> Result:
        kb = find_knowledge_base(self._store, ctx, request["knowledgeBaseId"])
        source = find_data_source(self._store, kb, request["dataSourceId"])
        jobs = self._store.jobs(kb.id, source.id)
        for filter_ in request.get("filters") or ():
            jobs = [job for job in jobs if job.status in filter_["values"]]
        if order := request.get("sortBy"):
            key = (lambda job: job.status) if order["attribute"] == "STATUS" else (lambda job: job.started_at)
            jobs.sort(key=key, reverse=order["order"] == "DESCENDING")
        token = str(request.get("nextToken") or "0")
        if not (token.isascii() and token.isdigit()):
            raise ValidationException("The nextToken is not one that ListIngestionJobs gave out.")
        start = int(token[:18])
        end = start + int(request.get("maxResults") or 100)
        answer: dict[str, Any] = {"ingestionJobSummaries": [self._describe(job) for job in jobs[start:end]]}
        if end < len(jobs):
            answer["nextToken"] = str(end)
        return answer

    async def stop_ingestion_job(self, ctx: Context, request: Request) -> Result:
        _, job = self._find(ctx, request)
        if job.status not in ("STARTING", "IN_PROGRESS", "STOPPING"):
            raise ConflictException(f"Ingestion job {job.id} has ended ({job.status}) and can't be stopped.")
        self._ingestion.stop(job)
        _, job = self._find(ctx, request)
        return {"ingestionJob": self._describe(job)}

    def _find(self, ctx: Context, request: Request) -> tuple[KnowledgeBase, IngestionJob]:
        kb = find_knowledge_base(self._store, ctx, request["knowledgeBaseId"])
        source = find_data_source(self._store, kb, request["dataSourceId"])
        job = self._store.job(kb.id, source.id, request["ingestionJobId"])
        if job is None:
            raise ResourceNotFoundException(f"IngestionJob with id {request['ingestionJobId']} does not exist")
        return kb, job

    def _describe(self, job: IngestionJob) -> dict[str, Any]:
        described: dict[str, Any] = {
            "knowledgeBaseId": job.kb_id,
            "dataSourceId": job.ds_id,
            "ingestionJobId": job.id,
            "status": job.status,
            "statistics": self._statistics(job),
            "startedAt": when(job.started_at),
            "updatedAt": when(job.updated_at),
        }
        if job.description:
            described["description"] = job.description
        if job.text_ready_at is not None:
            described["textReadyAt"] = when(job.text_ready_at)
        return described

    def _statistics(self, job: IngestionJob) -> dict[str, int]:
        counts = self._store.outcomes(job.id)
        return {
            "numberOfDocumentsScanned": job.scanned or 0,
            "numberOfMetadataDocumentsScanned": job.scanned_sidecars or 0,
            "numberOfNewDocumentsIndexed": counts.get("new", 0),
            "numberOfModifiedDocumentsIndexed": counts.get("modified", 0),
            "numberOfMetadataDocumentsModified": counts.get("metadata", 0),
            "numberOfDocumentsDeleted": counts.get("deleted", 0),
            "numberOfDocumentsFailed": sum(counts.get(kind, 0) for kind in FAILURES),
            "numberOfDocumentsSkipped": 0,
        }
