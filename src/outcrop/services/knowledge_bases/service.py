"""Knowledge Bases: control plane (`bedrock-agent`) and query plane (`bedrock-agent-runtime`)."""

from __future__ import annotations

from outcrop.services.contract import Deps, Service
from outcrop.services.knowledge_bases.data_sources import DataSources
from outcrop.services.knowledge_bases.documents import Documents
from outcrop.services.knowledge_bases.generation import Generation
from outcrop.services.knowledge_bases.indexes import Indexes
from outcrop.services.knowledge_bases.ingestion import Ingestion
from outcrop.services.knowledge_bases.ingestion_jobs import IngestionJobs
from outcrop.services.knowledge_bases.knowledge_bases import KnowledgeBases
from outcrop.services.knowledge_bases.retrieval import Retrieval, Search
from outcrop.services.knowledge_bases.store import KnowledgeBaseStore
from outcrop.services.knowledge_bases.tags import Tags


def services(deps: Deps) -> tuple[Service, ...]:
    store = KnowledgeBaseStore(deps.database("knowledge_bases"))
    indexes = Indexes(deps.data / "knowledge_bases" / "indexes", deps.models)
    ingestion = Ingestion(deps, store, indexes)
    search = Search(deps.settings, indexes)
    return (
        Service(
            "bedrock-agent",
            KnowledgeBases(store, indexes, ingestion),
            DataSources(store, indexes, ingestion),
            IngestionJobs(store, ingestion),
            Documents(deps.settings, store, indexes, ingestion),
            Tags(store),
            on_stop=ingestion.aclose,
        ),
        Service(
            "bedrock-agent-runtime",
            Retrieval(store, search),
            Generation(deps.settings, store, indexes, search, deps.models),
            on_stop=indexes.aclose,
        ),
    )
