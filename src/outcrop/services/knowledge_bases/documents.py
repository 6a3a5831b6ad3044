"""Documents that are ingested directly, and what became of each document of a data source."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from outcrop.services.contract import Context, Request, Result
from outcrop.services.knowledge_bases.common import ClientTokens, find_data_source, find_knowledge_base, when
from outcrop.services.knowledge_bases.errors import ValidationException
from outcrop.services.knowledge_bases.ingestion.direct import Direct
from outcrop.services.knowledge_bases.ingestion.waiting import Handed
from outcrop.services.knowledge_bases.store import DataSource, Document, KnowledgeBase, KnowledgeBaseStore
from outcrop.settings import Settings

MAX_STRICT, MAX_HELPFUL = 10, 25
"""Documents in one call: what AWS's model says, and what its documentation says."""


class Documents:
    def __init__(self, settings: Settings, store: KnowledgeBaseStore, direct: Direct) -> None:
        self._settings = settings
        self._store = store
        self._direct = direct

    async def ingest_knowledge_base_documents(self, ctx: Context, request: Request) -> Result:
        kb, source = self._find(ctx, request)
        documents = self._counted(request, "documents")
        for document in documents:
            _check(source, document)
        uris = [_uri(document["content"]) for document in documents]
        tokens = ClientTokens(self._store, f"{ctx.account}:{kb.id}:{source.id}:ingest_documents", request)
        if tokens.earlier() is None:
            self._direct.hand_over(kb, source, [_handed(uri, d) for uri, d in zip(uris, documents, strict=True)])
            tokens.keep(source.id)
        return {"documentDetails": [self._detail(kb, source, uri) for uri in uris]}

    async def get_knowledge_base_documents(self, ctx: Context, request: Request) -> Result:
        kb, source = self._find(ctx, request)
        return {"documentDetails": [self._detail(kb, source, uri) for uri in self._named(source, request)]}

    async def list_knowledge_base_documents(self, ctx: Context, request: Request) -> Result:
        kb, source = self._find(ctx, request)
        limit = int(request.get("maxResults") or 100)
        found = self._store.documents(kb.id, source.id, str(request.get("nextToken") or ""), limit + 1)
        answer: dict[str, Any] = {"documentDetails": [_shown(kb, source, d.uri, d) for d in found[:limit]]}
        if len(found) > limit:
            answer["nextToken"] = found[limit - 1].uri
        return answer

    async def delete_knowledge_base_documents(self, ctx: Context, request: Request) -> Result:
        kb, source = self._find(ctx, request)
        uris = self._named(source, request)
        tokens = ClientTokens(self._store, f"{ctx.account}:{kb.id}:{source.id}:delete_documents", request)
        if tokens.earlier() is None:
            known = [uri for uri in dict.fromkeys(uris) if self._store.document(kb.id, source.id, uri)]
            self._direct.hand_over(kb, source, [Handed(uri, "delete", {}) for uri in known])
            tokens.keep(source.id)
        return {"documentDetails": [self._detail(kb, source, uri) for uri in uris]}

    def _find(self, ctx: Context, request: Request) -> tuple[KnowledgeBase, DataSource]:
        kb = find_knowledge_base(self._store, ctx, request["knowledgeBaseId"])
        return kb, find_data_source(self._store, kb, request["dataSourceId"])

    def _named(self, source: DataSource, request: Request) -> list[str]:
        identifiers = self._counted(request, "documentIdentifiers")
        kind = _kind(source)
        for identifier in identifiers:
            if identifier["dataSourceType"] != kind:
                raise ValidationException(
                    f"The identifier's dataSourceType is {identifier['dataSourceType']}, the data source's {kind}."
                )
            if kind.lower() not in identifier:
                raise ValidationException(f"{kind.lower()} is required when dataSourceType is {kind}.")
        return [_uri(identifier) for identifier in identifiers]

    def _counted(self, request: Request, member: str) -> list[Any]:
        """A list of the request that the model wants shorter than AWS's documentation says."""
        most = MAX_STRICT if self._settings.strict else MAX_HELPFUL
        items = request.get(member)
        if isinstance(items, list) and 1 <= len(items) <= most:
            return items
        wanted = f"Member must have length less than or equal to {most} and greater than or equal to 1"
        raise ValidationException(
            f"1 validation error detected: Value at '{member}' failed to satisfy constraint: "
            f"{'Member must not be null' if items is None else wanted}"
        )

    def _detail(self, kb: KnowledgeBase, source: DataSource, uri: str) -> dict[str, Any]:
        return _shown(kb, source, uri, self._store.document(kb.id, source.id, uri))


def _kind(source: DataSource) -> str:
    return str(source.body["dataSourceConfiguration"]["type"])


def _check(source: DataSource, document: Mapping[str, Any]) -> None:
    """Raises ValidationException where the document's members don't fit each other or the source."""
    content = document["content"]
    kind = _kind(source)
    if content["dataSourceType"] != kind:
        raise ValidationException(
            f"The document's dataSourceType is {content['dataSourceType']}, the data source's {kind}."
        )
    metadata = document.get("metadata", {})
    _check_metadata(metadata)
    if kind == "S3":
        if "s3" not in content:
            raise ValidationException("A document of an S3 data source needs content.s3.s3Location.")
        return
    custom = content.get("custom")
    if not custom:
        raise ValidationException("A document of a CUSTOM data source needs content.custom.")
    if custom["sourceType"] == "S3_LOCATION":
        if "s3Location" not in custom:
            raise ValidationException("content.custom.s3Location is required when sourceType is S3_LOCATION.")
        return
    inline = custom.get("inlineContent")
    if not inline:
        raise ValidationException("content.custom.inlineContent is required when sourceType is IN_LINE.")
    member = _INLINE[inline["type"]]
    if member not in inline:
        raise ValidationException(f"content.custom.inlineContent.{member} is required for type {inline['type']}.")
    if metadata.get("type", "IN_LINE_ATTRIBUTE") != "IN_LINE_ATTRIBUTE":
        raise ValidationException("A document with inline content takes inline metadata only.")


_INLINE = MappingProxyType({"TEXT": "textContent", "BYTE": "byteContent"})
_METADATA = MappingProxyType({"IN_LINE_ATTRIBUTE": "inlineAttributes", "S3_LOCATION": "s3Location"})


def _check_metadata(metadata: Mapping[str, Any]) -> None:
    if metadata and (needed := _METADATA[metadata["type"]]) not in metadata:
        raise ValidationException(f"metadata.{needed} is required when metadata.type is {metadata['type']}.")


def _handed(uri: str, document: Mapping[str, Any]) -> Handed:
    """The document, with its inline data apart."""
    kept = copy.deepcopy({member: document[member] for member in ("content", "metadata") if member in document})
    inline = kept["content"].get("custom", {}).get("inlineContent", {})
    data = b""
    if "textContent" in inline:
        data = inline.pop("textContent")["data"].encode("utf-8", "replace")
    if "byteContent" in inline:
        data = inline["byteContent"].pop("data")
    return Handed(uri, "ingest", kept, data)


def _uri(identifier: Mapping[str, Any]) -> str:
    """Of a document's content or of an identifier."""
    if identifier["dataSourceType"] == "S3":
        s3 = identifier["s3"]
        return str(s3["s3Location"]["uri"] if "s3Location" in s3 else s3["uri"])
    custom = identifier["custom"]
    return str(custom["customDocumentIdentifier"]["id"] if "customDocumentIdentifier" in custom else custom["id"])


def _shown(kb: KnowledgeBase, source: DataSource, uri: str, known: Document | None) -> dict[str, Any]:
    kind = _kind(source)
    identifier = {"s3": {"uri": uri}} if kind == "S3" else {"custom": {"id": uri}}
    detail: dict[str, Any] = {
        "knowledgeBaseId": kb.id,
        "dataSourceId": source.id,
        "status": known.status if known else "NOT_FOUND",
        "identifier": {"dataSourceType": kind, **identifier},
    }
    if known is not None:
        detail["updatedAt"] = when(known.updated_at)
        if known.reason:
            detail["statusReason"] = known.reason
    return detail
