"""Retrieve: passages of a knowledge base that bear on a question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from outcrop.engines.inference.engine import EngineError
from outcrop.services.contract import Context, Request, Result
from outcrop.services.knowledge_bases.common import find_knowledge_base
from outcrop.services.knowledge_bases.errors import DependencyFailedException, ValidationException
from outcrop.services.knowledge_bases.filters import translate
from outcrop.services.knowledge_bases.indexes import Indexes
from outcrop.services.knowledge_bases.store import KnowledgeBase, KnowledgeBaseStore
from outcrop.settings import Settings

if TYPE_CHECKING:
    from outcrop.engines.retrieval import Scored

DEFAULT_RESULTS = 5
UNAVAILABLE = ("implicitFilterConfiguration", "rerankingConfiguration")


class Search:
    """What Retrieve and RetrieveAndGenerate have in common."""

    def __init__(self, settings: Settings, indexes: Indexes) -> None:
        self._settings = settings
        self._indexes = indexes

    async def passages(
        self,
        ctx: Context,
        kb: KnowledgeBase,
        question: str,
        configuration: Mapping[str, Any] | None,
    ) -> Sequence[Scored]:
        """Hits with scores descending. Raises ValidationException, DependencyFailedException."""
        from outcrop.engines.retrieval import Retriever

        if not question.strip():
            raise ValidationException("The query text is empty. Ask a question of at least one character.")
        vector = (configuration or {}).get("vectorSearchConfiguration", {})
        if configuration and "managedSearchConfiguration" in configuration:
            raise ValidationException("managedSearchConfiguration is only for managed knowledge bases.")
        for member in UNAVAILABLE:
            if member in vector:
                raise ValidationException(f"{member} isn't available in Outcrop yet: leave it out.")
        mode = self._mode(ctx, kb, vector.get("overrideSearchType"))
        where = translate(vector.get("filter"))
        try:
            retriever = Retriever(await self._indexes.get(kb), await self._indexes.embedder(kb))
            return await retriever.search(question, int(vector.get("numberOfResults", DEFAULT_RESULTS)), mode, where)
        except EngineError as error:
            raise DependencyFailedException(str(error), resourceName=kb.embedding_model) from None

    def _mode(self, ctx: Context, kb: KnowledgeBase, wanted: str | None) -> Literal["hybrid", "semantic"]:
        has_text_index = kb.storage_type == "OPENSEARCH_SERVERLESS"
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


class Retrieval:
    def __init__(self, store: KnowledgeBaseStore, search: Search) -> None:
        self._store = store
        self._search = search

    async def retrieve(self, ctx: Context, request: Request) -> Result:
        kb = find_knowledge_base(self._store, ctx, request["knowledgeBaseId"])
        query = request["retrievalQuery"]
        if query.get("type", "TEXT") != "TEXT" or "image" in query:
            raise ValidationException("Only text queries are available in Outcrop: send retrievalQuery.text.")
        if "guardrailConfiguration" in request:
            raise ValidationException("guardrailConfiguration isn't available in Outcrop yet: leave it out.")
        found = await self._search.passages(ctx, kb, query.get("text") or "", request.get("retrievalConfiguration"))
        return {"retrievalResults": [{**reference(hit), "score": hit.score} for hit in found]}


def reference(hit: Scored) -> dict[str, Any]:
    """A hit as results and citations carry it, without its score."""
    uri = str(hit.metadata["x-amz-bedrock-kb-source-uri"])
    location: dict[str, Any] = (
        {"type": "S3", "s3Location": {"uri": uri}}
        if uri.startswith("s3://")
        else {"type": "CUSTOM", "customDocumentLocation": {"id": uri}}
    )
    visible = {key: value for key, value in hit.metadata.items() if not key.startswith("_")}
    return {
        "content": {"type": "TEXT", "text": hit.text},
        "location": location,
        "metadata": {**visible, "x-amz-bedrock-kb-chunk-id": hit.id},
    }
