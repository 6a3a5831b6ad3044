"""Tags of knowledge bases."""

from __future__ import annotations

import re

from outcrop.services.contract import Context, Request, Result
from outcrop.services.knowledge_bases.common import find_knowledge_base
from outcrop.services.knowledge_bases.errors import ResourceNotFoundException, ValidationException
from outcrop.services.knowledge_bases.store import KnowledgeBaseStore

MAX_TAGS = 50
_ARN = re.compile(r"arn:aws(?:-[a-z-]+)?:bedrock:([a-z0-9-]+):([0-9]{12}):([a-z-]+)/([0-9a-zA-Z]{10})(?:/.*)?")


class Tags:
    def __init__(self, store: KnowledgeBaseStore) -> None:
        self._store = store

    async def tag_resource(self, ctx: Context, request: Request) -> Result:
        arn = self._arn(ctx, request)
        if len({*self._store.tags(arn), *request["tags"]}) > MAX_TAGS:
            raise ValidationException(f"A resource can have at most {MAX_TAGS} tags.")
        self._store.tag(arn, request["tags"])
        return {}

    async def untag_resource(self, ctx: Context, request: Request) -> Result:
        self._store.untag(self._arn(ctx, request), request["tagKeys"])
        return {}

    async def list_tags_for_resource(self, ctx: Context, request: Request) -> Result:
        return {"tags": self._store.tags(self._arn(ctx, request))}

    def _arn(self, ctx: Context, request: Request) -> str:
        given = str(request.get("resourceArn") or "")
        found = _ARN.fullmatch(given)
        if found is None:
            raise ValidationException(f"The resourceArn {given[:200]!r} is not the ARN of a knowledge base.")
        region, account, kind, name = found.groups()
        if kind != "knowledge-base" or (account, region) != (ctx.account, ctx.region):
            raise ResourceNotFoundException(f"The resource {given} does not exist")
        return find_knowledge_base(self._store, ctx, name).arn
