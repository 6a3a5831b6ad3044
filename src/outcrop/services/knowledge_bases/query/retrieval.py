"""Retrieve: passages of a knowledge base that bear on a question."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from outcrop.services.contract import Context, Request, Result
from outcrop.services.knowledge_bases.common import find_knowledge_base
from outcrop.services.knowledge_bases.errors import ValidationException
from outcrop.services.knowledge_bases.query.guarding import Guard
from outcrop.services.knowledge_bases.query.results import Found, References
from outcrop.services.knowledge_bases.query.search import Search
from outcrop.services.knowledge_bases.store import KnowledgeBaseStore

PAGE_CHARACTERS = 1_000_000
"""Of passages in one answer; the rest comes with the next token."""


class Retrieval:
    def __init__(self, store: KnowledgeBaseStore, search: Search) -> None:
        self._store = store
        self._search = search

    async def retrieve(self, ctx: Context, request: Request) -> Result:
        kb = find_knowledge_base(self._store, ctx, request["knowledgeBaseId"])
        question = _question(request["retrievalQuery"])
        plan = self._search.plan(ctx, kb, request.get("retrievalConfiguration"))
        start = _start(request)
        verdict = await Guard(ctx, request.get("guardrailConfiguration")).question(question)
        action = "INTERVENED" if verdict.intervened else "NONE"
        if verdict.blocked:
            return {"retrievalResults": [], "guardrailAction": action}
        found = await self._search.find(ctx, kb, plan, [verdict.text])
        end = _end(found, start)
        references = References(self._store, kb)
        result: dict[str, Any] = {"retrievalResults": [references.result(one) for one in found[start:end]]}
        if "guardrailConfiguration" in request:
            result["guardrailAction"] = action
        if end < len(found):
            result["nextToken"] = _token(request, end)
        return result


def _question(query: Mapping[str, Any]) -> str:
    kind = query.get("type", "IMAGE" if "image" in query and "text" not in query else "TEXT")
    if kind == "IMAGE" or "image" in query:
        raise ValidationException(
            "Queries by image need a multimodal embedding model, and the knowledge base's model embeds text: send "
            "retrievalQuery.text."
        )
    text = str(query.get("text") or "")
    if not text.strip():
        raise ValidationException("The query text is empty. Ask a question of at least one character.")
    return text


def _end(found: Sequence[Found], start: int) -> int:
    size = 0
    for at in range(start, len(found)):
        size += len(found[at].text)
        if size > PAGE_CHARACTERS and at > start:
            return at
    return len(found)


def _token(request: Request, position: int) -> str:
    return base64.urlsafe_b64encode(f"{position}:{_digest(request)}".encode()).decode()


def _start(request: Request) -> int:
    """Where this page begins. Raises ValidationException for a token of another request."""
    token = request.get("nextToken")
    if token is None:
        return 0
    try:
        position, _, digest = base64.urlsafe_b64decode(token.encode()).decode().partition(":")
        if digest == _digest(request):
            return int(position)
    except ValueError:
        pass
    raise ValidationException("The nextToken is invalid: send the one of the last answer with the same request.")


def _digest(request: Request) -> str:
    same = {name: value for name, value in request.items() if name != "nextToken"}
    return hashlib.sha256(json.dumps(same, sort_keys=True, default=str).encode()).hexdigest()[:16]
