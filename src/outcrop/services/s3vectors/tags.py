"""Tags of vector buckets and indexes."""

from __future__ import annotations

from outcrop.services.contract import Context, Request, Result
from outcrop.services.s3vectors.common import check_tags
from outcrop.services.s3vectors.errors import NotFoundException
from outcrop.services.s3vectors.names import parse_arn
from outcrop.services.s3vectors.store import Bucket, VectorIndex, VectorStore


class Tags:
    def __init__(self, store: VectorStore) -> None:
        self._store = store

    async def tag_resource(self, ctx: Context, request: Request) -> Result:
        owner = self._owner(request["resourceArn"])
        tags = {**owner.tags, **request["tags"]}
        check_tags(tags)
        self._store.set_tags(owner, tags)
        return {}

    async def untag_resource(self, ctx: Context, request: Request) -> Result:
        owner = self._owner(request["resourceArn"])
        kept = {key: value for key, value in owner.tags.items() if key not in request["tagKeys"]}
        self._store.set_tags(owner, kept)
        return {}

    async def list_tags_for_resource(self, ctx: Context, request: Request) -> Result:
        return {"tags": dict(self._owner(request["resourceArn"]).tags)}

    def _owner(self, arn: str) -> Bucket | VectorIndex:
        place = parse_arn(arn, "/resourceArn")
        owner = self._store.index(place) if place.index else self._store.bucket(place)
        if owner is None:
            raise NotFoundException("The specified resource could not be found")
        return owner
