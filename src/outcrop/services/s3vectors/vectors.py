"""The vectors of an index: put, get, list, delete."""

from __future__ import annotations

from typing import Any

from outcrop.services.contract import Context, Request, Result
from outcrop.services.s3vectors.common import find_index, from_token, to_token
from outcrop.services.s3vectors.errors import invalid
from outcrop.services.s3vectors.records import described, to_record
from outcrop.services.s3vectors.store import VectorStore
from outcrop.services.s3vectors.tables import Tables

_PAGE = 500


class Vectors:
    def __init__(self, store: VectorStore, tables: Tables) -> None:
        self._store = store
        self._tables = tables

    async def put_vectors(self, ctx: Context, request: Request) -> Result:
        index = find_index(self._store, ctx, request)
        await self._tables.use(
            index, lambda table: table.put([to_record(index, vector) for vector in request["vectors"]])
        )
        return {}

    async def get_vectors(self, ctx: Context, request: Request) -> Result:
        index = find_index(self._store, ctx, request)
        found = await self._tables.use(index, lambda table: table.get(request["keys"]))
        data, metadata = bool(request.get("returnData")), bool(request.get("returnMetadata"))
        return {"vectors": [described(record, data, metadata) for record in found]}

    async def delete_vectors(self, ctx: Context, request: Request) -> Result:
        index = find_index(self._store, ctx, request)
        await self._tables.use(index, lambda table: table.delete(request["keys"]))
        return {}

    async def list_vectors(self, ctx: Context, request: Request) -> Result:
        index = find_index(self._store, ctx, request)
        segments, segment = _segment(request)
        after, *asked = from_token(request.get("nextToken"), int, int, int)
        if request.get("nextToken") and asked != [segments, segment]:
            raise invalid("The nextToken belongs to another segment", "/nextToken")
        limit = request.get("maxResults") or _PAGE
        page = await self._tables.use(index, lambda table: table.scan(after, limit, segment, segments))
        data, metadata = bool(request.get("returnData")), bool(request.get("returnMetadata"))
        answer: dict[str, Any] = {"vectors": [described(record, data, metadata) for record in page.records]}
        if page.more:
            answer["nextToken"] = to_token(page.last, segments, segment)
        return answer


def _segment(request: Request) -> tuple[int, int]:
    count, number = request.get("segmentCount"), request.get("segmentIndex")
    if (count is None) != (number is None):
        raise invalid("segmentCount and segmentIndex must be specified together")
    if count is None or number is None:
        return 1, 0
    if number >= count:
        raise invalid("segmentIndex must be less than segmentCount", "/segmentIndex")
    return count, number
