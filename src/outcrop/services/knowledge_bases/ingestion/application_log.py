"""What an ingestion job tells CloudWatch Logs, in the form of AWS's vended logs for knowledge bases.

It tells it to the log group `/aws/vendedlogs/bedrock/knowledge-base/APPLICATION_LOGS/<id>`, if there is one: creating
the group switches the log on.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from outcrop.services.contract import Context, ServiceError
from outcrop.services.knowledge_bases.store import (
    FAILURES,
    DataSource,
    IngestionJob,
    KnowledgeBase,
    KnowledgeBaseStore,
    OutcomeKind,
)

log = logging.getLogger(__name__)

GROUP = "/aws/vendedlogs/bedrock/knowledge-base/APPLICATION_LOGS/"
STREAM = "bedrock/knowledgebaselogs"
BATCH = 500
LONGEST = 200_000
"""Characters of one event."""

SCHEDULED: Mapping[OutcomeKind, str] = MappingProxyType(
    {
        "new": "SCHEDULED_FOR_INGESTION",
        "modified": "SCHEDULED_FOR_UPDATE",
        "metadata": "SCHEDULED_FOR_METADATA_UPDATE",
        "deleted": "SCHEDULED_FOR_DELETION",
    }
)
_COUNTED: Mapping[str, OutcomeKind] = MappingProxyType(
    {
        "number_of_resources_ingested": "new",
        "number_of_resources_updated": "modified",
        "number_of_resources_with_metadata_updated": "metadata",
        "number_of_resources_deleted": "deleted",
    }
)
_SCHEDULED_COUNTS: Mapping[str, OutcomeKind] = MappingProxyType(
    {
        "number_of_resources_scheduled_for_ingestion": "new",
        "number_of_resources_scheduled_for_update": "modified",
        "number_of_resources_scheduled_for_metadata_update": "metadata",
        "number_of_resources_scheduled_for_deletion": "deleted",
    }
)
_CHUNKS = (
    "ignored",
    "created",
    "deleted",
    "metadata_updated",
    "failed_to_create",
    "failed_to_delete",
    "failed_to_update_metadata",
)


class ApplicationLog:
    """Of one job. Events are sent in batches; what can't be sent is lost, and said so in the server's log."""

    def __init__(
        self, ctx: Context, store: KnowledgeBaseStore, kb: KnowledgeBase, source: DataSource, job: IngestionJob
    ) -> None:
        self._ctx = ctx
        self._store = store
        self._kb = kb
        self._source = source
        self._job = job
        self._group = GROUP + kb.id
        self._events: list[dict[str, Any]] = []
        self._sending = asyncio.Lock()
        self.is_on = False

    async def open(self) -> None:
        """Find out whether someone wants the log."""
        try:
            answer = await self._ctx.call("logs", "describe_log_groups", {"logGroupNamePrefix": self._group})
            self.is_on = any(group["logGroupName"] == self._group for group in answer.get("logGroups", ()))
            if self.is_on:
                await self._create_stream()
        except ServiceError as error:
            self._complain(error)

    async def job(self, status: str) -> None:
        """The job's own state. Sends what has gathered."""
        if not self.is_on:
            return
        outcomes = self._store.outcomes(self._job.id)
        scheduled = self._store.scheduled(self._job)
        statistics = {name: outcomes.get(kind, 0) for name, kind in _COUNTED.items()}
        statistics |= {name: scheduled.get(kind, 0) for name, kind in _SCHEDULED_COUNTS.items()}
        statistics["number_of_resources_failed"] = sum(outcomes.get(kind, 0) for kind in FAILURES)
        event = {"ingestion_job_status": status, "resource_statistics": statistics}
        self._add("StartIngestionJob.StatusChanged", "ERROR" if status == "FAILED" else "INFO", event)
        await self.flush()

    async def document(
        self, uri: str, status: str, *, reasons: Sequence[str] = (), chunks: Mapping[str, int] | None = None
    ) -> None:
        """A document's state; `chunks` counts them by what became of them: `{"created": 3}`."""
        if not self.is_on:
            return
        kind = self._source.body["dataSourceConfiguration"]["type"]
        location = {"s3_location": {"uri": uri}} if kind == "S3" else {"custom_document_location": {"id": uri}}
        event: dict[str, Any] = {"document_location": {"type": kind, **location}, "status": status}
        if reasons:
            event["status_reasons"] = list(reasons)
        if chunks:
            event["chunk_statistics"] = dict.fromkeys(_CHUNKS, 0) | dict(chunks)
        level = {"FAILED": "ERROR", "RESOURCE_IGNORED": "WARN"}.get(status, "INFO")
        self._add("StartIngestionJob.ResourceStatusChanged", level, event)
        if len(self._events) >= BATCH:
            await self.flush()

    async def flush(self) -> None:
        async with self._sending:
            while self._events:
                batch, self._events = self._events[:BATCH], self._events[BATCH:]
                await self._send(batch)

    def _add(self, kind: str, level: str, event: Mapping[str, Any]) -> None:
        now = int(time.time() * 1000)
        message = {
            "event_timestamp": now,
            "event": {
                "ingestion_job_id": self._job.id,
                "data_source_id": self._source.id,
                "knowledge_base_arn": self._kb.arn,
                **event,
            },
            "event_version": "1.0",
            "event_type": kind,
            "level": level,
        }
        self._events.append({"timestamp": now, "message": json.dumps(message, ensure_ascii=False)[:LONGEST]})

    async def _send(self, batch: Sequence[Mapping[str, Any]]) -> None:
        request = {"logGroupName": self._group, "logStreamName": STREAM, "logEvents": list(batch)}
        try:
            await self._ctx.call("logs", "put_log_events", request)
        except ServiceError as error:
            self.is_on = False
            self._complain(error)

    async def _create_stream(self) -> None:
        try:
            await self._ctx.call("logs", "create_log_stream", {"logGroupName": self._group, "logStreamName": STREAM})
        except ServiceError as error:
            if error.code != "ResourceAlreadyExistsException":
                raise

    def _complain(self, error: ServiceError) -> None:
        log.warning("ingestion job %s can't write to %s: %s", self._job.id, self._group, error.message or error.code)
