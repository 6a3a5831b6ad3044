"""Vector indexes: their life, and which of their metadata keys are filtered and searched by text."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from outcrop.services.contract import Context, Request, Result
from outcrop.services.s3vectors.buckets import check_mode
from outcrop.services.s3vectors.common import (
    check_tags,
    encryption,
    find_bucket,
    find_index,
    from_token,
    to_token,
    when,
)
from outcrop.services.s3vectors.errors import (
    ConflictException,
    NotFoundException,
    ServiceQuotaExceededException,
    invalid,
)
from outcrop.services.s3vectors.names import Place, check_index_name
from outcrop.services.s3vectors.store import Taken, VectorIndex, VectorStore
from outcrop.services.s3vectors.tables import Tables

MAX_INDEXES = 10_000
_MAX_SEARCHABLE = 10


class VectorIndexes:
    def __init__(self, store: VectorStore, tables: Tables) -> None:
        self._store = store
        self._tables = tables

    async def create_index(self, ctx: Context, request: Request) -> Result:
        bucket = find_bucket(self._store, ctx, request)
        name = request["indexName"]
        check_index_name(name)
        tags = request.get("tags") or {}
        check_tags(tags)
        metadata = request.get("metadataConfiguration") or {}
        not_filterable = metadata.get("nonFilterableMetadataKeys") or []
        if len(set(not_filterable)) < len(not_filterable):
            raise invalid(
                "nonFilterableMetadataKeys must be distinct", "/metadataConfiguration/nonFilterableMetadataKeys"
            )
        searchable = _searchable(metadata.get("textSearchConfigurations") or [], "/metadataConfiguration")
        if self._store.count_indexes(bucket) >= MAX_INDEXES:
            raise ServiceQuotaExceededException(f"A vector bucket can have at most {MAX_INDEXES} indexes")
        try:
            self._store.add_index(
                bucket,
                name,
                request["dimension"],
                request["distanceMetric"],
                encryption(request, bucket.encryption),
                not_filterable,
                searchable,
                tags,
            )
        except Taken:
            raise ConflictException("An index with the specified name already exists") from None
        return {"indexArn": Place(bucket.place.account, bucket.place.region, bucket.place.bucket, name).arn}

    async def get_index(self, ctx: Context, request: Request) -> Result:
        index = find_index(self._store, ctx, request)
        # Whoever asks for an index may go on to its table, which from now on is found by the ARN.
        await self._tables.use(index, lambda table: None)
        details: dict[str, Any] = {
            "dataType": "float32",
            "dimension": index.dimension,
            "distanceMetric": index.metric,
            "encryptionConfiguration": dict(index.encryption),
            "indexMode": index.mode,
        }
        if configuration := _configuration(index):
            details["metadataConfiguration"] = configuration
        return {"index": {**_summary(index), **details}}

    async def list_indexes(self, ctx: Context, request: Request) -> Result:
        bucket = find_bucket(self._store, ctx, request)
        limit = request.get("maxResults") or 500
        (after,) = from_token(request.get("nextToken"), str)
        found = self._store.indexes(bucket, request.get("prefix") or "", after, limit + 1)
        answer: dict[str, Any] = {"indexes": [_summary(index) for index in found[:limit]]}
        if len(found) > limit:
            answer["nextToken"] = to_token(found[limit - 1].place.index)
        return answer

    async def delete_index(self, ctx: Context, request: Request) -> Result:
        index = find_index(self._store, ctx, request)
        self._store.delete_index(index)
        await asyncio.to_thread(self._tables.remove, index)
        return {}

    async def update_index_mode(self, ctx: Context, request: Request) -> Result:
        find_index(self._store, ctx, request)
        check_mode(request["indexMode"], "/indexMode")
        return {}

    async def update_metadata_configuration(self, ctx: Context, request: Request) -> Result:
        index = find_index(self._store, ctx, request)
        added = (request.get("add") or {}).get("textSearchConfigurations") or []
        deleted = (request.get("delete") or {}).get("textSearchConfigurations") or []
        if bool(added) == bool(deleted):
            raise invalid("Must specify either add or delete but not both")
        changed = _added(index, added) if added else _without(index, [one["metadataKey"] for one in deleted])
        self._store.set_searchable(index, changed)
        await self._tables.use(index, lambda table: table.declare(changed))
        return {"indexArn": index.place.arn}


def _searchable(configurations: Sequence[Mapping[str, str]], path: str) -> dict[str, str]:
    found = {one["metadataKey"]: one.get("language") or "" for one in configurations}
    if len(found) < len(configurations):
        raise invalid(
            "Specify no more than one text search configuration for each metadata key",
            f"{path}/textSearchConfigurations",
        )
    return found


def _added(index: VectorIndex, configurations: Sequence[Mapping[str, str]]) -> dict[str, str]:
    fresh = _searchable(configurations, "/add")
    for key in fresh:
        if key in index.searchable:
            raise ConflictException(f"The index already has a text search configuration for the metadata key {key}")
    if len(index.searchable) + len(fresh) > _MAX_SEARCHABLE:
        raise invalid(f"An index can have at most {_MAX_SEARCHABLE} text search configurations", "/add")
    return {**index.searchable, **fresh}


def _without(index: VectorIndex, keys: Sequence[str]) -> dict[str, str]:
    for key in keys:
        if key not in index.searchable:
            raise NotFoundException(f"The index has no text search configuration for the metadata key {key}")
    return {key: language for key, language in index.searchable.items() if key not in keys}


def _configuration(index: VectorIndex) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if index.not_filterable:
        found["nonFilterableMetadataKeys"] = list(index.not_filterable)
    if index.searchable:
        found["textSearchConfigurations"] = [
            {"metadataKey": key, "status": "ACTIVE", **({"language": language} if language else {})}
            for key, language in index.searchable.items()
        ]
    return found


def _summary(index: VectorIndex) -> dict[str, Any]:
    return {
        "vectorBucketName": index.place.bucket,
        "indexName": index.place.index,
        "indexArn": index.place.arn,
        "creationTime": when(index.created_at),
    }
