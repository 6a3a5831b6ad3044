"""What several resource classes of this folder need: looking things up, times, client tokens."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from outcrop.services.contract import Context
from outcrop.services.knowledge_bases.errors import ResourceNotFoundException, ValidationException
from outcrop.services.knowledge_bases.store import DataSource, KnowledgeBase, KnowledgeBaseStore


def when(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def find_knowledge_base(store: KnowledgeBaseStore, ctx: Context, kb_id: str) -> KnowledgeBase:
    """By id or ARN. Raises ResourceNotFoundException."""
    bare = kb_id.rsplit("/", 1)[-1]
    kb = store.knowledge_base(ctx.account, ctx.region, bare)
    if kb is None:
        raise ResourceNotFoundException(f"Knowledge Base with id {bare} does not exist")
    return kb


def find_data_source(store: KnowledgeBaseStore, kb: KnowledgeBase, ds_id: str) -> DataSource:
    source = store.data_source(kb.id, ds_id)
    if source is None:
        raise ResourceNotFoundException(f"DataSource with id {ds_id} in KnowledgeBase {kb.id} does not exist")
    return source


def model_id(arn: str) -> str:
    """`amazon.titan-embed-text-v2:0` from itself or from its ARN."""
    return arn.rsplit("/", 1)[-1] if arn.startswith("arn:") else arn


class ClientTokens:
    """The same token with the same parameters returns the first result; with others it is an error."""

    def __init__(self, store: KnowledgeBaseStore, scope: str, request: Mapping[str, Any]) -> None:
        self._store = store
        self._scope = scope
        self._token = request.get("clientToken")
        parameters = {key: value for key, value in request.items() if key != "clientToken"}
        written = json.dumps(parameters, sort_keys=True, default=str)
        self._parameters = hashlib.sha256(written.encode("utf-8", "replace")).hexdigest()

    def earlier(self) -> str | None:
        """The id that an earlier call with this token made, if any. Raises ValidationException."""
        if not self._token or (claimed := self._store.claimed(self._scope, self._token)) is None:
            return None
        parameters, resource_id = claimed
        if parameters != self._parameters:
            raise ValidationException(
                "The client token was already used with other parameters. Use a new client token for a new request."
            )
        return resource_id

    def keep(self, resource_id: str) -> None:
        if self._token:
            self._store.claim(self._scope, self._token, self._parameters, resource_id)


def page_after(request: Mapping[str, Any]) -> tuple[str, int]:
    """Where a listing goes on, and how many items it may have."""
    return str(request.get("nextToken") or ""), int(request.get("maxResults") or 100)
