"""Tags of knowledge bases."""

from __future__ import annotations

from outcrop.services.contract import Context, Request, Result
from outcrop.services.knowledge_bases.common import find_knowledge_base
from outcrop.services.knowledge_bases.store import KnowledgeBaseStore


class Tags:
    def __init__(self, store: KnowledgeBaseStore) -> None:
        self._store = store

    async def tag_resource(self, ctx: Context, request: Request) -> Result:
        self._store.tag(self._arn(ctx, request), request["tags"])
        return {}

    async def untag_resource(self, ctx: Context, request: Request) -> Result:
        self._store.untag(self._arn(ctx, request), request["tagKeys"])
        return {}

    async def list_tags_for_resource(self, ctx: Context, request: Request) -> Result:
        return {"tags": self._store.tags(self._arn(ctx, request))}

    def _arn(self, ctx: Context, request: Request) -> str:
        return find_knowledge_base(self._store, ctx, request["resourceArn"]).arn
