"""Passages as Retrieve's results and citations' references carry them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from outcrop.services.knowledge_bases.store import KnowledgeBase, KnowledgeBaseStore

if TYPE_CHECKING:
    from outcrop.engines.retrieval import Scored

SOURCE = "x-amz-bedrock-kb-source-uri"
DATA_SOURCE = "x-amz-bedrock-kb-data-source-id"
CHUNK = "x-amz-bedrock-kb-chunk-id"
_EXPLAINED = 20


@dataclass(frozen=True, slots=True)
class Found:
    """A passage as it is handed on: of a hierarchical source the parent of the chunk that was hit."""

    hit: Scored
    text: str
    score: float
    """0 to 1: the reranker's where there was one, else the retriever's."""
    reranked: bool = False

    @property
    def uri(self) -> str:
        return str(self.hit.metadata.get(SOURCE, self.hit.document))

    @property
    def metadata(self) -> dict[str, Any]:
        """What callers may see."""
        visible = {key: value for key, value in self.hit.metadata.items() if not key.startswith("_")}
        return {**visible, CHUNK: self.hit.id}


class References:
    """Found passages in AWS's shapes, with locations by the kind of their data source."""

    def __init__(self, store: KnowledgeBaseStore, kb: KnowledgeBase | None) -> None:
        self._store = store
        self._kb = kb
        self._kinds: dict[str, str] = {}

    def result(self, found: Found) -> dict[str, Any]:
        return {**self.reference(found), "score": found.score}

    def reference(self, found: Found) -> dict[str, Any]:
        """As citations carry it, without its score."""
        return {
            "content": {"type": "TEXT", "text": found.text},
            "location": _location(self._kind(found), found.uri),
            "metadata": found.metadata,
        }

    def _kind(self, found: Found) -> str:
        source = found.hit.metadata.get(DATA_SOURCE)
        if self._kb is None or not isinstance(source, str):
            return "S3" if found.uri.startswith("s3://") else "CUSTOM"
        if source not in self._kinds:
            row = self._store.data_source(self._kb.id, source)
            stated = str(row.body["dataSourceConfiguration"]["type"]) if row else "S3"
            self._kinds[source] = stated
        kind = self._kinds[source]
        return "CUSTOM" if kind == "S3" and not found.uri.startswith("s3://") else kind


def _location(kind: str, uri: str) -> dict[str, Any]:
    member, key = _LOCATIONS.get(kind, ("s3Location", "uri") if uri.startswith("s3://") else _LOCATIONS["CUSTOM"])
    return {"type": kind if kind in _LOCATIONS else "CUSTOM", member: {key: uri}}


_LOCATIONS = {
    "S3": ("s3Location", "uri"),
    "CUSTOM": ("customDocumentLocation", "id"),
    "WEB": ("webLocation", "url"),
    "CONFLUENCE": ("confluenceLocation", "url"),
    "SALESFORCE": ("salesforceLocation", "url"),
    "SHAREPOINT": ("sharePointLocation", "url"),
}


def explain(found: Sequence[Found]) -> str:
    """What made each of the first results' scores, as JSON for a header."""
    return json.dumps([_parts(one) for one in found[:_EXPLAINED]], separators=(",", ":"))


def _parts(found: Found) -> Mapping[str, float]:
    hit = found.hit
    parts = {
        "vector": hit.vector_score,
        "text": hit.text_score,
        "fused": hit.score,
        "rerank": found.score if found.reranked else None,
    }
    return {name: round(value, 4) for name, value in parts.items() if value is not None}
