from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from outcrop.services.knowledge_bases.errors import ServiceQuotaExceededException, ThrottlingException
from outcrop.services.knowledge_bases.quotas import DATA_SOURCES, JOBS, KNOWLEDGE_BASES, Quotas
from outcrop.services.knowledge_bases.store import DataSource, IngestionJob, KnowledgeBase, KnowledgeBaseStore
from outcrop.settings import Settings
from outcrop.storage import Database

CTX = SimpleNamespace(account="000000000000", region="us-east-1")


@pytest.fixture
def store(tmp_path: Path):
    database = Database(tmp_path / "kb.sqlite", durable=False)
    yield KnowledgeBaseStore(database)
    database.close()


def knowledge_base(store, name):
    kb = KnowledgeBase(name, CTX.account, CTX.region, name, {}, 0.0, 0.0)
    store.add_knowledge_base(kb)
    return kb


def test_quotas_hold_in_strict_mode(store):
    quotas = Quotas(Settings(strict=True), store)
    kb = knowledge_base(store, "first")
    for number in range(DATA_SOURCES):
        quotas.data_source(kb)
        store.add_data_source(DataSource(str(number), kb.id, str(number), {}, 0.0, 0.0))
    with pytest.raises(ServiceQuotaExceededException, match="data sources"):
        quotas.data_source(kb)
    for number in range(1, KNOWLEDGE_BASES):
        quotas.knowledge_base(CTX)
        knowledge_base(store, str(number))
    with pytest.raises(ServiceQuotaExceededException, match="limit of 100"):
        quotas.knowledge_base(CTX)
    quotas.job(CTX)
    with pytest.raises(ThrottlingException):
        quotas.job(CTX)
    for number in range(JOBS):
        store.add_job(IngestionJob(str(number), kb.id, "0", None, "IN_PROGRESS", None, None, (), 0.0, 0.0, None))
    with pytest.raises(ServiceQuotaExceededException, match="concurrent"):
        quotas.job(CTX)


def test_helpful_mode_knows_none(store):
    quotas = Quotas(Settings(), store)
    for _ in range(20):
        quotas.job(CTX)
