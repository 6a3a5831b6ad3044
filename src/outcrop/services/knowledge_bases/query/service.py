"""The wiring of the query plane."""

from __future__ import annotations

from outcrop.services.contract import Deps, Service
from outcrop.services.knowledge_bases.indexes import Indexes
from outcrop.services.knowledge_bases.ingestion.objects import Staging
from outcrop.services.knowledge_bases.ingestion.parents import Parents
from outcrop.services.knowledge_bases.query.external_sources import ExternalSources
from outcrop.services.knowledge_bases.query.generation import Generation
from outcrop.services.knowledge_bases.query.reranking import Rerank
from outcrop.services.knowledge_bases.query.retrieval import Retrieval
from outcrop.services.knowledge_bases.query.search import Search
from outcrop.services.knowledge_bases.query.targets import Targets
from outcrop.services.knowledge_bases.store import KnowledgeBaseStore


def runtime(deps: Deps, store: KnowledgeBaseStore, indexes: Indexes, parents: Parents, staging: Staging) -> Service:
    targets = Targets(deps.models)
    search = Search(deps.settings, indexes, parents, targets)
    sources = ExternalSources(deps.settings, deps.models, staging)

    async def stop() -> None:
        await sources.aclose()
        await indexes.aclose()

    return Service(
        "bedrock-agent-runtime",
        Retrieval(store, search),
        Generation(deps.settings, store, indexes, search, deps.models, targets, sources),
        Rerank(),
        on_stop=stop,
    )
