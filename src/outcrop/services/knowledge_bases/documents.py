"""Documents that are ingested directly, and what became of each document of a data source."""

from __future__ import annotations

import hashlib
import mimetypes
import time
import uuid
from collections.abc import Mapping
from typing import Any

from outcrop.services.contract import Context, Request, Result
from outcrop.services.knowledge_bases import sidecars
from outcrop.services.knowledge_bases.common import find_data_source, find_knowledge_base, when
from outcrop.services.knowledge_bases.errors import ValidationException
from outcrop.services.knowledge_bases.indexes import Indexes
from outcrop.services.knowledge_bases.ingestion import DocumentFailure, Ingestion, Target
from outcrop.services.knowledge_bases.sidecars import Attributes
from outcrop.services.knowledge_bases.store import DataSource, Document, KnowledgeBase, KnowledgeBaseStore
from outcrop.settings import Settings

MAX_STRICT, MAX_HELPFUL = 10, 25


class Documents:
    def __init__(self, settings: Settings, store: KnowledgeBaseStore, indexes: Indexes, ingestion: Ingestion) -> None:
        self._settings = settings
        self._store = store
        self._indexes = indexes
        self._ingestion = ingestion

    async def ingest_knowledge_base_documents(self, ctx: Context, request: Request) -> Result:
        kb, source = self._find(ctx, request)
        documents = request["documents"]
        most = MAX_STRICT if self._settings.strict else MAX_HELPFUL
        if len(documents) > most:
            raise ValidationException(f"At most {most} documents can be ingested in one call; {len(documents)} came.")
        for document in documents:
            _check(source, document)
        target = await self._ingestion.target(kb, source)
        return {"documentDetails": [await self._ingest(target, document) for document in documents]}

    async def get_knowledge_base_documents(self, ctx: Context, request: Request) -> Result:
        kb, source = self._find(ctx, request)
        details = []
        for identifier in request["documentIdentifiers"]:
            uri = _uri(identifier)
            known = self._store.document(kb.id, source.id, uri)
            details.append(_detail(kb, source, uri, known))
        return {"documentDetails": details}

    async def list_knowledge_base_documents(self, ctx: Context, request: Request) -> Result:
        kb, source = self._find(ctx, request)
        limit = int(request.get("maxResults") or 100)
        found = self._store.documents(kb.id, source.id, str(request.get("nextToken") or ""), limit + 1)
        answer: dict[str, Any] = {"documentDetails": [_detail(kb, source, d.uri, d) for d in found[:limit]]}
        if len(found) > limit:
            answer["nextToken"] = found[limit - 1].uri
        return answer

    async def delete_knowledge_base_documents(self, ctx: Context, request: Request) -> Result:
        kb, source = self._find(ctx, request)
        index = await self._indexes.get(kb)
        details = []
        for identifier in request["documentIdentifiers"]:
            uri = _uri(identifier)
            known = self._store.document(kb.id, source.id, uri)
            if known is not None:
                await self._indexes.delete_documents(index, [f"{source.id}|{uri}"])
                self._store.delete_document(kb.id, source.id, uri)
            details.append({**_detail(kb, source, uri, known), "status": "DELETING" if known else "NOT_FOUND"})
        return {"documentDetails": details}

    def _find(self, ctx: Context, request: Request) -> tuple[KnowledgeBase, DataSource]:
        kb = find_knowledge_base(self._store, ctx, request["knowledgeBaseId"])
        return kb, find_data_source(self._store, kb, request["dataSourceId"])

    async def _ingest(self, target: Target, given: Mapping[str, Any]) -> dict[str, Any]:
        content = given["content"]
        uri = _uri(content if content["dataSourceType"] == "S3" else content["custom"]["customDocumentIdentifier"])
        chunks, status, reason = 0, "INDEXED", None
        digest = ""
        try:
            attributes = await self._attributes(target, given.get("metadata"))
            path, name, digest = await self._materialise(target, content, uri)
            try:
                chunks = await self._ingestion.index_file(target, uri, path, name, attributes)
            finally:
                path.unlink(missing_ok=True)
        except (DocumentFailure, sidecars.InvalidAttributes) as failure:
            status, reason = "FAILED", str(failure)
            if isinstance(failure, DocumentFailure) and failure.kind == "ignored":
                status = "IGNORED"
            await self._indexes.delete_documents(target.index, [f"{target.source.id}|{uri}"])
        document = Document(target.kb.id, target.source.id, uri, digest, None, status, reason, chunks, time.time())
        self._store.put_document(document)
        return _detail(target.kb, target.source, uri, document)

    async def _attributes(self, target: Target, given: Mapping[str, Any] | None) -> Attributes:
        if given is None:
            return Attributes()
        if given["type"] == "IN_LINE_ATTRIBUTE":
            return sidecars.from_inline(given.get("inlineAttributes", []))
        if "s3Location" not in given:
            raise sidecars.InvalidAttributes("metadata of type S3_LOCATION needs s3Location")
        path = await self._ingestion.fetch(target.ctx, given["s3Location"]["uri"])
        try:
            return sidecars.parse(path.read_bytes())
        finally:
            path.unlink(missing_ok=True)

    async def _materialise(self, target: Target, content: Mapping[str, Any], uri: str) -> tuple[Any, str, str]:
        """A file with the document, the name that tells its format, and a tag of its content."""
        custom = content.get("custom", {})
        if content["dataSourceType"] == "S3" or custom["sourceType"] == "S3_LOCATION":
            source = (
                content["s3"]["s3Location"]["uri"] if content["dataSourceType"] == "S3" else custom["s3Location"]["uri"]
            )
            path = await self._ingestion.fetch(target.ctx, source)
            return path, source.rsplit("/", 1)[-1], hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
        inline = custom["inlineContent"]
        if inline["type"] == "TEXT":
            data, suffix = inline["textContent"]["data"].encode(), ".txt"
        else:
            data = inline["byteContent"]["data"]
            mime = inline["byteContent"]["mimeType"]
            suffix = mimetypes.guess_extension(mime) or ""
            if not suffix:
                raise DocumentFailure(f"the MIME type {mime} isn't one that can be read", "ignored")
        path = self._ingestion.staging() / uuid.uuid4().hex
        path.write_bytes(data)
        return path, f"document{suffix}", hashlib.md5(data, usedforsecurity=False).hexdigest()


def _check(source: DataSource, document: Mapping[str, Any]) -> None:
    """Raises ValidationException where the document's members don't fit each other or the source."""
    content = document["content"]
    kind = source.body["dataSourceConfiguration"]["type"]
    if content["dataSourceType"] != kind:
        raise ValidationException(
            f"The document's dataSourceType is {content['dataSourceType']}, the data source's {kind}."
        )
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
    member = {"TEXT": "textContent", "BYTE": "byteContent"}[inline["type"]]
    if member not in inline:
        raise ValidationException(f"content.custom.inlineContent.{member} is required for type {inline['type']}.")
    if document.get("metadata", {}).get("type", "IN_LINE_ATTRIBUTE") != "IN_LINE_ATTRIBUTE":
        raise ValidationException("A document with inline content takes inline metadata only.")


def _uri(identifier: Mapping[str, Any]) -> str:
    if "s3" in identifier:
        s3 = identifier["s3"]
        return str(s3["s3Location"]["uri"] if "s3Location" in s3 else s3["uri"])
    return str(identifier["custom"]["id"] if "custom" in identifier else identifier["id"])


def _detail(kb: KnowledgeBase, source: DataSource, uri: str, known: Document | None) -> dict[str, Any]:
    kind = source.body["dataSourceConfiguration"]["type"]
    detail: dict[str, Any] = {
        "knowledgeBaseId": kb.id,
        "dataSourceId": source.id,
        "status": known.status if known else "NOT_FOUND",
        "identifier": {"dataSourceType": kind, **({"s3": {"uri": uri}} if kind == "S3" else {"custom": {"id": uri}})},
    }
    if known is not None:
        detail["updatedAt"] = when(known.updated_at)
        if known.reason:
            detail["statusReason"] = known.reason
    return detail
