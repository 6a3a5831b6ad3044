"""What Retrieve and RetrieveAndGenerate have in common: from a retrievalConfiguration to passages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from outcrop.engines.indexing.filters import AllOf, Filter
from outcrop.engines.inference.engine import EngineError
from outcrop.services.contract import Context
from outcrop.services.knowledge_bases.errors import DependencyFailedException, ValidationException
from outcrop.services.knowledge_bases.indexes import Indexes
from outcrop.services.knowledge_bases.ingestion.entries import PARENT
from outcrop.services.knowledge_bases.ingestion.parents import Parents
from outcrop.services.knowledge_bases.query import filters
from outcrop.services.knowledge_bases.query.implicit_filters import ImplicitFilters
from outcrop.services.knowledge_bases.query.reranking import Reranking
from outcrop.services.knowledge_bases.query.results import Found, explain
from outcrop.services.knowledge_bases.query.targets import Targets
from outcrop.services.knowledge_bases.store import KnowledgeBase
from outcrop.settings import Settings

if TYPE_CHECKING:
    from outcrop.engines.retrieval import Retriever, Scored

DEFAULT_RESULTS = 5
MOST_FROM_PARTS = 5
"""Times `numberOfResults`: how many a question taken apart may bring."""
WITH_TEXT_INDEX = ("OPENSEARCH_SERVERLESS", "RDS", "MONGO_DB_ATLAS")
_SAMPLE = 100
"""Passages whose metadata shows which values a question may mean."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A checked retrievalConfiguration."""

    limit: int
    mode: Literal["hybrid", "semantic"]
    where: Filter | None
    reranking: Reranking | None
    implicit: ImplicitFilters | None


class Search:
    def __init__(self, settings: Settings, indexes: Indexes, parents: Parents, targets: Targets) -> None:
        self._settings = settings
        self._indexes = indexes
        self._parents = parents
        self._targets = targets

    def plan(
        self, ctx: Context, kb: KnowledgeBase, configuration: Mapping[str, Any] | None, in_parts: bool = False
    ) -> Plan:
        """Check all that needs no search. `in_parts`: the question may be taken apart. Raises ValidationException."""
        configuration = configuration or {}
        if "managedSearchConfiguration" in configuration:
            raise ValidationException(
                f"managedSearchConfiguration is only for managed knowledge bases, and {kb.id} isn't one: use "
                "vectorSearchConfiguration."
            )
        vector = configuration.get("vectorSearchConfiguration", {})
        limit = int(vector.get("numberOfResults", DEFAULT_RESULTS))
        self._warn(ctx, filters.beyond_aws(vector.get("filter"), kb.storage_type))
        return Plan(
            limit,
            self._mode(ctx, kb, vector.get("overrideSearchType")),
            filters.translate(vector.get("filter")),
            Reranking.of(vector.get("rerankingConfiguration"), limit * (MOST_FROM_PARTS if in_parts else 1)),
            ImplicitFilters.of(vector.get("implicitFilterConfiguration")),
        )

    async def find(self, ctx: Context, kb: KnowledgeBase, plan: Plan, questions: Sequence[str]) -> list[Found]:
        """Passages with scores descending: of one question, or of all the questions that one was taken apart into.
        Raises DependencyFailedException if the embedding model fails."""
        from outcrop.engines.retrieval import Retriever

        try:
            retriever = Retriever(await self._indexes.get(kb), await self._indexes.embedder(kb))
            where = await self._where(ctx, retriever, plan, questions[0])
            hits = await _hits(retriever, plan, questions, where)
        except EngineError as error:
            raise DependencyFailedException(str(error), resourceName=kb.embedding_model) from None
        found = self._whole(hits)
        if plan.reranking is not None and found:
            found = await plan.reranking.apply(ctx, questions[0], found)
        if found:
            ctx.notes["scores"] = explain(found)
        return found

    async def _where(self, ctx: Context, retriever: Retriever, plan: Plan, question: str) -> Filter | None:
        if plan.implicit is None:
            return plan.where
        sample = await retriever.search(question, _SAMPLE, plan.mode, plan.where)
        target = await self._targets.find(ctx, plan.implicit.model)
        implied = await plan.implicit.filter(ctx, target.generative, question, [hit.metadata for hit in sample])
        if implied is None or plan.where is None:
            return implied or plan.where
        return AllOf([plan.where, implied])

    def _whole(self, hits: Sequence[Scored]) -> list[Found]:
        """Hierarchical chunks give way to their parents; of one parent's chunks the best stands for it."""
        texts = self._parents.texts([str(hit.metadata[PARENT]) for hit in hits if PARENT in hit.metadata])
        found: dict[str, Found] = {}
        for hit in hits:
            parent = str(hit.metadata.get(PARENT, hit.id))
            if parent not in found:
                found[parent] = Found(hit, texts.get(parent, hit.text), hit.score)
        return list(found.values())

    def _mode(self, ctx: Context, kb: KnowledgeBase, wanted: str | None) -> Literal["hybrid", "semantic"]:
        has_text_index = kb.storage_type in WITH_TEXT_INDEX
        if self._settings.strict and wanted == "HYBRID" and not has_text_index:
            raise ValidationException(
                f"HYBRID search type is not supported for search operation on index {kb.id}. "
                "Retry your request with a different search type."
            )
        if wanted == "SEMANTIC" or (wanted is None and self._settings.strict and not has_text_index):
            ctx.notes["search-type"] = "SEMANTIC"
            return "semantic"
        ctx.notes["search-type"] = "HYBRID"
        return "hybrid"

    def _warn(self, ctx: Context, sentences: Sequence[str]) -> None:
        """What AWS refuses: refused in strict mode, else told."""
        if sentences and self._settings.strict:
            raise ValidationException(" ".join(sentences))
        if sentences:
            ctx.notes["filter-warnings"] = "On AWS: " + " ".join(sentences)


async def _hits(retriever: Retriever, plan: Plan, questions: Sequence[str], where: Filter | None) -> list[Scored]:
    best: dict[str, Scored] = {}
    for question in questions:
        for hit in await retriever.search(question, plan.limit, plan.mode, where):
            if hit.id not in best or hit.score > best[hit.id].score:
                best[hit.id] = hit
    ordered = sorted(best.values(), key=lambda hit: -hit.score)
    return ordered[: plan.limit * (MOST_FROM_PARTS if len(questions) > 1 else 1)]
