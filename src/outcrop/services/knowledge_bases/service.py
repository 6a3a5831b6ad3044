"""Knowledge Bases: control plane (`bedrock-agent`) and query plane (`bedrock-agent-runtime`)."""

from __future__ import annotations

from outcrop.services.contract import Deps, Service
from outcrop.services.hooks import Hooks
from outcrop.services.knowledge_bases.data_sources import DataSources
from outcrop.services.knowledge_bases.documents import Documents
from outcrop.services.knowledge_bases.indexes import Indexes
from outcrop.services.knowledge_bases.ingestion.auto_sync import AutoSync
from outcrop.services.knowledge_bases.ingestion.direct import Direct
from outcrop.services.knowledge_bases.ingestion.job import Ingestion
from outcrop.services.knowledge_bases.ingestion.parents import Parents
from outcrop.services.knowledge_bases.ingestion.pipeline import Pipeline
from outcrop.services.knowledge_bases.ingestion.waiting import WaitingStore
from outcrop.services.knowledge_bases.ingestion_jobs import IngestionJobs
from outcrop.services.knowledge_bases.knowledge_bases import KnowledgeBases
from outcrop.services.knowledge_bases.query.service import runtime
from outcrop.services.knowledge_bases.quotas import Quotas
from outcrop.services.knowledge_bases.store import KnowledgeBaseStore
from outcrop.services.knowledge_bases.tags import Tags


class AgentHooks(Hooks):
    """The model's pattern of `resourceArn` has `/d` for `\\d` and thus matches no ARN of a knowledge base."""

    lax = frozenset({"resourceArn"})


class HelpfulHooks(AgentHooks):
    """Lets through as many documents in a call as AWS's documentation says; `Documents` counts them."""

    lax = AgentHooks.lax | {"documents", "documentIdentifiers"}


def services(deps: Deps) -> tuple[Service, ...]:
    store = KnowledgeBaseStore(deps.database("knowledge_bases"))
    indexes = Indexes(deps.data / "knowledge_bases" / "indexes", deps)
    parents = Parents(store.db)
    pipeline = Pipeline(deps, indexes, parents)
    ingestion = Ingestion(deps, store, indexes, pipeline)
    direct = Direct(deps, store, WaitingStore(store), ingestion, pipeline)
    quotas = Quotas(deps.settings, store)
    auto_sync = AutoSync(deps.settings, store, ingestion, deps.changes)

    async def resume() -> None:
        pipeline.staging.clear()
        await ingestion.resume()
        await direct.resume()
        await auto_sync.resume()

    async def stop() -> None:
        await auto_sync.aclose()
        await pipeline.aclose()

    return (
        Service(
            "bedrock-agent",
            KnowledgeBases(store, indexes, ingestion, direct, quotas),
            DataSources(store, ingestion, direct, quotas),
            IngestionJobs(store, ingestion, quotas),
            Documents(deps.settings, store, direct),
            Tags(store),
            hooks=AgentHooks() if deps.settings.strict else HelpfulHooks(),
            on_start=resume,
            on_stop=stop,
        ),
        runtime(deps, store, indexes, parents, pipeline.staging),
    )
