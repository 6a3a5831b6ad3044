"""InvokeModel of rerank models: Cohere's and Amazon's bodies."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from outcrop.engines.inference.engine import EngineError
from outcrop.services.bedrock.errors import from_engine
from outcrop.services.bedrock.invoke.bodies import check, malformed
from outcrop.services.bedrock.runtime.calls import Usage

if TYPE_CHECKING:
    from outcrop.engines.inference.models import Models
    from outcrop.services.bedrock.runtime.calls import Call

_DOCUMENTS_PER_SEARCH = 100
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["query", "documents"],
    "properties": {
        "query": {"type": "string", "minLength": 1},
        "documents": {"type": "array", "minItems": 1, "maxItems": 1000},
        "top_n": {"type": "integer", "minimum": 1},
        "api_version": {"type": "integer"},
        "max_tokens_per_doc": {"type": "integer", "minimum": 1},
    },
}


class Reranking:
    """By late interaction over the embedder's tokens, which `x-outcrop-served-by` says."""

    def __init__(self, models: Models) -> None:
        self._models = models

    async def invoke(self, call: Call, body: dict[str, Any]) -> dict[str, Any]:
        from outcrop.engines.retrieval.reranker import NAME, Reranker

        check(body, _SCHEMA)
        if call.model.id.startswith("cohere.") and "api_version" not in body:
            raise malformed("#: required key [api_version] not found")
        texts = [_text(document, at) for at, document in enumerate(body["documents"])]
        await call.admit()
        try:
            embedder = await self._models.embedder(call.target.key)
            scores = await Reranker(embedder).scores(body["query"], texts)
        except EngineError as error:
            raise from_engine(error, call.target.resource) from error
        call.usage = Usage(searches=-(-len(texts) // _DOCUMENTS_PER_SEARCH))
        call.ctx.notes["served-by"] = f"{NAME}:{embedder.name}"
        order = sorted(range(len(texts)), key=lambda index: -scores[index])[: body.get("top_n", len(texts))]
        return {"results": [{"index": index, "relevance_score": round(scores[index], 6)} for index in order]}


def _text(document: Any, index: int) -> str:
    if isinstance(document, str) and document.strip():
        return document
    if isinstance(document, dict) and document:
        return str(document["text"]) if isinstance(document.get("text"), str) else json.dumps(document)
    raise malformed(f"#/documents/{index}: expected a text that is not empty")
