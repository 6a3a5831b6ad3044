"""AWS's quotas, which hold in strict mode."""

from __future__ import annotations

import time

from outcrop.services.contract import Context
from outcrop.services.knowledge_bases.errors import ServiceQuotaExceededException, ThrottlingException
from outcrop.services.knowledge_bases.store import KnowledgeBase, KnowledgeBaseStore
from outcrop.settings import Settings

KNOWLEDGE_BASES = 100
"""An account and region."""
DATA_SOURCES = 5
"""A knowledge base."""
JOBS = 5
"""Running in an account and region."""
START_SECONDS = 10
"""Between one StartIngestionJob of an account and region and the next."""


class Quotas:
    """Each check raises the error of its quota, in strict mode; else it does nothing."""

    def __init__(self, settings: Settings, store: KnowledgeBaseStore) -> None:
        self._strict = settings.strict
        self._store = store
        self._started: dict[tuple[str, str], float] = {}

    def knowledge_base(self, ctx: Context) -> None:
        if self._strict and self._store.count_knowledge_bases(ctx.account, ctx.region) >= KNOWLEDGE_BASES:
            raise _exceeded("knowledge bases per account", KNOWLEDGE_BASES)

    def data_source(self, kb: KnowledgeBase) -> None:
        if self._strict and len(self._store.data_sources(kb.id, "", DATA_SOURCES)) >= DATA_SOURCES:
            raise _exceeded("data sources per knowledge base", DATA_SOURCES)

    def job(self, ctx: Context) -> None:
        if not self._strict:
            return
        active = [kb for kb, _ in self._store.all_active_jobs() if (kb.account, kb.region) == (ctx.account, ctx.region)]
        if len(active) >= JOBS:
            raise _exceeded("concurrent ingestion jobs per account", JOBS)
        now, key = time.monotonic(), (ctx.account, ctx.region)
        if now - self._started.get(key, -START_SECONDS) < START_SECONDS:
            raise ThrottlingException("Too many requests, please wait before trying again.")
        self._started[key] = now


def _exceeded(what: str, most: int) -> ServiceQuotaExceededException:
    return ServiceQuotaExceededException(f"The number of {what} exceeds the limit of {most}.")
