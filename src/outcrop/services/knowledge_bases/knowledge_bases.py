"""Knowledge bases themselves: create, get, list, update, delete."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from outcrop.services.contract import Context, Request, Result, ServiceError
from outcrop.services.knowledge_bases.common import ClientTokens, find_knowledge_base, model_id, page_after, when
from outcrop.services.knowledge_bases.errors import ConflictException, ValidationException
from outcrop.services.knowledge_bases.indexes import Indexes
from outcrop.services.knowledge_bases.ingestion.direct import Direct
from outcrop.services.knowledge_bases.ingestion.job import Ingestion
from outcrop.services.knowledge_bases.quotas import Quotas
from outcrop.services.knowledge_bases.store import KnowledgeBase, KnowledgeBaseStore, new_id

STORES = {
    "S3_VECTORS": "s3VectorsConfiguration",
    "OPENSEARCH_SERVERLESS": "opensearchServerlessConfiguration",
    "RDS": "rdsConfiguration",
}
"""Kinds of storage that are served here, and the member that configures each."""


class KnowledgeBases:
    def __init__(
        self, store: KnowledgeBaseStore, indexes: Indexes, ingestion: Ingestion, direct: Direct, quotas: Quotas
    ) -> None:
        self._quotas = quotas
        self._store = store
        self._indexes = indexes
        self._ingestion = ingestion
        self._direct = direct

    async def create_knowledge_base(self, ctx: Context, request: Request) -> Result:
        tokens = ClientTokens(self._store, f"{ctx.account}:{ctx.region}:create_knowledge_base", request)
        if (earlier := tokens.earlier()) and (kb := self._store.knowledge_base(ctx.account, ctx.region, earlier)):
            return {"knowledgeBase": describe(kb, "CREATING")}
        await self._check(ctx, request)
        self._quotas.knowledge_base(ctx)
        now = time.time()
        kb = KnowledgeBase(new_id(), ctx.account, ctx.region, request["name"], _body(request), now, now)
        try:
            self._store.add_knowledge_base(kb)
        except sqlite3.IntegrityError:
            raise ConflictException(f"KnowledgeBase with name {kb.name} already exists.") from None
        tokens.keep(kb.id)
        self._store.tag(kb.arn, request.get("tags") or {})
        return {"knowledgeBase": describe(kb, "CREATING")}

    async def get_knowledge_base(self, ctx: Context, request: Request) -> Result:
        return {"knowledgeBase": describe(find_knowledge_base(self._store, ctx, request["knowledgeBaseId"]))}

    async def list_knowledge_bases(self, ctx: Context, request: Request) -> Result:
        after, limit = page_after(request)
        found = self._store.knowledge_bases(ctx.account, ctx.region, after, limit + 1)
        answer: dict[str, Any] = {"knowledgeBaseSummaries": [_summary(kb) for kb in found[:limit]]}
        if len(found) > limit:
            answer["nextToken"] = found[limit - 1].id
        return answer

    async def update_knowledge_base(self, ctx: Context, request: Request) -> Result:
        kb = find_knowledge_base(self._store, ctx, request["knowledgeBaseId"])
        for member in ("knowledgeBaseConfiguration", "storageConfiguration"):
            if member in request and request[member] != kb.body.get(member):
                raise ValidationException(
                    f"{member} cannot be changed. Send the knowledge base's present {member}, "
                    "or create a new knowledge base."
                )
        body = {**kb.body, **{k: v for k, v in _body(request).items() if v is not None}}
        if "description" not in request:
            body.pop("description", None)
        try:
            self._store.update_knowledge_base(kb.id, request["name"], body)
        except sqlite3.IntegrityError:
            raise ConflictException(f"KnowledgeBase with name {request['name']} already exists.") from None
        updated = find_knowledge_base(self._store, ctx, kb.id)
        return {"knowledgeBase": describe(updated, "UPDATING")}

    async def delete_knowledge_base(self, ctx: Context, request: Request) -> Result:
        kb = find_knowledge_base(self._store, ctx, request["knowledgeBaseId"])
        await self._ingestion.stop_all(kb.id)
        await self._direct.stop_all(kb.id)
        if not self._indexes.is_own(kb):
            for source in self._store.data_sources(kb.id, "", -1):
                if source.body.get("dataDeletionPolicy", "DELETE") == "DELETE":
                    await self._ingestion.remove_documents(kb, source)
        self._store.untag(kb.arn)
        self._store.delete_knowledge_base(kb.id)
        self._indexes.delete(kb.id)
        return {"knowledgeBaseId": kb.id, "status": "DELETING"}

    async def _check(self, ctx: Context, request: Request) -> None:
        configuration = request["knowledgeBaseConfiguration"]
        kind = configuration["type"]
        if kind != "VECTOR":
            raise ValidationException(
                f"Knowledge bases of type {kind} aren't available in Outcrop: use type VECTOR. "
                "See docs/reference/coverage.md."
            )
        vector = configuration.get("vectorKnowledgeBaseConfiguration")
        if not vector:
            raise ValidationException("vectorKnowledgeBaseConfiguration is required when the type is VECTOR.")
        await _check_embedding_model(ctx, vector["embeddingModelArn"])
        _check_dimensions(vector)
        storage = request.get("storageConfiguration")
        if storage is None:
            return
        if storage["type"] not in STORES:
            raise ValidationException(
                f"The knowledge base storage configuration provided is invalid. Outcrop serves {', '.join(STORES)}; "
                f"{storage['type']} isn't available yet."
            )
        if (member := STORES[storage["type"]]) not in storage:
            raise ValidationException(
                "The knowledge base storage configuration provided is invalid. "
                f"{member} is required when the type is {storage['type']}."
            )
        await self._indexes.check(ctx, storage)


async def _check_embedding_model(ctx: Context, arn: str) -> None:
    try:
        answer = await ctx.call("bedrock", "get_foundation_model", {"modelIdentifier": model_id(arn)})
    except ServiceError:
        raise ValidationException(
            f"The embedding model {arn} does not exist. Give the ARN of an embedding model."
        ) from None
    if "EMBEDDING" not in answer["modelDetails"].get("outputModalities", ()):
        raise ValidationException(
            f"{arn} is not an embedding model. Use one such as amazon.titan-embed-text-v2:0 or cohere.embed-english-v3."
        )


DIMENSIONS: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {
        "amazon.titan-embed-text-v1": (1536,),
        "amazon.titan-embed-text-v2:0": (256, 512, 1024),
        "cohere.embed-english-v3": (1024,),
        "cohere.embed-multilingual-v3": (1024,),
    }
)
"""What the models that AWS names for knowledge bases can be asked for."""


def _check_dimensions(vector: Mapping[str, Any]) -> None:
    model = model_id(vector["embeddingModelArn"])
    asked = vector.get("embeddingModelConfiguration", {}).get("bedrockEmbeddingModelConfiguration", {})
    if (wanted := asked.get("dimensions")) and wanted not in DIMENSIONS.get(model, (wanted,)):
        possible = ", ".join(map(str, DIMENSIONS[model]))
        raise ValidationException(f"The embedding model {model} makes vectors of {possible} dimensions, not {wanted}.")


def _body(request: Request) -> dict[str, Any]:
    members = ("description", "roleArn", "knowledgeBaseConfiguration", "storageConfiguration")
    return {member: request[member] for member in members if member in request}


def describe(kb: KnowledgeBase, status: str = "ACTIVE") -> dict[str, Any]:
    """The knowledge base as Get answers it. Creating and updating are done when their calls return; their own answers
    say CREATING and UPDATING because clients expect that."""
    return {
        "knowledgeBaseId": kb.id,
        "name": kb.name,
        "knowledgeBaseArn": kb.arn,
        "status": status,
        "createdAt": when(kb.created_at),
        "updatedAt": when(kb.updated_at),
        **kb.body,
    }


def _summary(kb: KnowledgeBase) -> Mapping[str, Any]:
    summary: dict[str, Any] = {
        "knowledgeBaseId": kb.id,
        "name": kb.name,
        "status": "ACTIVE",
        "updatedAt": when(kb.updated_at),
    }
    if "description" in kb.body:
        summary["description"] = kb.body["description"]
    return summary
