"""Knowledge bases in an index of S3 Vectors: their chunks are its vectors, as AWS lays them out."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from outcrop.services.contract import Context, Deps, Principal, ServiceError
from outcrop.services.knowledge_bases.errors import ValidationException
from outcrop.services.knowledge_bases.store import KnowledgeBase

if TYPE_CHECKING:
    from outcrop.engines.indexing.index import Index

TEXT, METADATA = "AMAZON_BEDROCK_TEXT", "AMAZON_BEDROCK_METADATA"
SOURCE = "x-amz-bedrock-kb-data-source-id"


class S3VectorsIndexes:
    def __init__(self, deps: Deps) -> None:
        self._tables = deps.tables
        self._context = deps.context

    async def find(self, kb: KnowledgeBase, arn: str, dimensions: int) -> Index | None:
        """The index of this ARN, for a knowledge base whose embedder has so many dimensions; None if it doesn't
        exist."""
        from outcrop.engines.indexing.tabled import Layout, TableIndex

        if self._tables.get(arn) is None:
            principal = Principal(str(kb.body.get("roleArn", "")), f"{kb.id}:retrieval", kind="assumed-role")
            await self.exists(self._context(kb.account, kb.region, principal), arn)
        table = self._tables.get(arn)
        if table is None:
            return None
        index = TableIndex(table, dimensions, Layout(TEXT, METADATA, SOURCE))
        await asyncio.to_thread(index.open)
        return index

    async def exists(self, ctx: Context, arn: str) -> bool:
        try:
            await ctx.call("s3vectors", "get_index", {"indexArn": arn})
        except ServiceError:
            return False
        return True


def index_arn(storage: Mapping[str, Any]) -> str | None:
    """By its ARN, or by its bucket's and its name."""
    given = storage.get("s3VectorsConfiguration") or {}
    if "indexArn" in given:
        return str(given["indexArn"])
    if "vectorBucketArn" in given and "indexName" in given:
        return f"{given['vectorBucketArn']}/index/{given['indexName']}"
    return None


def no_such_index() -> ValidationException:
    return ValidationException(
        "The knowledge base storage configuration provided is invalid... The specified index could not be found"
    )
