"""Searching an index: by a vector, by texts, by both."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from outcrop.services.contract import Context, Request, Result
from outcrop.services.s3vectors.common import find_index, from_token, to_token
from outcrop.services.s3vectors.errors import invalid
from outcrop.services.s3vectors.filters import parse
from outcrop.services.s3vectors.records import to_query
from outcrop.services.s3vectors.store import VectorIndex, VectorStore
from outcrop.services.s3vectors.tables import Tables

if TYPE_CHECKING:
    from outcrop.engines.indexing.filters import Filter
    from outcrop.engines.indexing.vectors import Match, VectorTable

MAX_TOP_K = 10_000
_PAGE = 100


class Queries:
    def __init__(self, store: VectorStore, tables: Tables) -> None:
        self._store = store
        self._tables = tables

    async def query_vectors(self, ctx: Context, request: Request) -> Result:
        index = find_index(self._store, ctx, request)
        _check(request)
        condition = request.get("filter")
        where = None if condition is None else parse(condition, index.not_filterable)
        start, asked = from_token(request.get("nextToken"), int, str)
        digest = _digest(request)
        if request.get("nextToken") and (asked != digest or start < 0):
            raise invalid("The nextToken belongs to another query", "/nextToken")
        # One more than the page tells whether there is another. How far a fusion looks must not depend on the page.
        both = request.get("queryVector") and request.get("queryTexts")
        limit = request["topK"] if both else min(request["topK"], start + _PAGE + 1)
        matches = await self._tables.use(index, lambda table: _search(table, index, request, limit, where))
        page = matches[start : start + _PAGE]
        answer: dict[str, Any] = {
            "vectors": [_described(match, request) for match in page],
            "distanceMetric": index.metric,
        }
        if len(matches) > start + _PAGE:
            answer["nextToken"] = to_token(start + _PAGE, digest)
        return answer


def _check(request: Request) -> None:
    if request["topK"] > MAX_TOP_K:
        raise invalid(f"topK must be at most {MAX_TOP_K}", "/topK")
    if request.get("queryVector") is None and request.get("queryTexts") is None:
        raise invalid("Must specify queryVector, queryTexts, or both")
    if request.get("queryMode") == "CLASSIC":
        raise invalid("queryMode must not be CLASSIC for an index in ENHANCED mode", "/queryMode")


def _search(table: VectorTable, index: VectorIndex, request: Request, limit: int, where: Filter | None) -> list[Match]:
    data, asked = request.get("queryVector"), request.get("queryTexts") or ()
    texts = {one["metadataKey"]: one["text"] for one in asked}
    if len(texts) < len(asked):
        raise invalid("Each of the queryTexts must target a distinct metadata key", "/queryTexts")
    for key in texts:
        if key not in index.searchable:
            raise invalid(f"The metadata key {key} is not configured for text search", "/queryTexts")
    return table.search(limit, None if data is None else to_query(index, data), texts, where)


def _described(match: Match, request: Request) -> dict[str, Any]:
    answer: dict[str, Any] = {"key": match.key}
    if request.get("returnDistance") and match.distance is not None:
        answer["distance"] = match.distance
    if request.get("returnMetadata") and match.metadata:
        answer["metadata"] = dict(match.metadata)
    if request.get("returnScores") and request.get("queryTexts"):
        answer["scores"] = _scores(match)
    return answer


def _scores(match: Match) -> dict[str, Any]:
    scores: dict[str, Any] = {}
    if match.fused is not None:
        scores["fused"] = match.fused
        if match.distance is not None:
            scores["vectorDistance"] = match.distance
    if match.texts:
        scores["bm25Scores"] = [{"metadataKey": key, "score": score} for key, score in match.texts.items()]
    return scores


def _digest(request: Request) -> str:
    """What the pages of one query have in common."""
    told = {key: value for key, value in request.items() if key != "nextToken"}
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()[:16]
