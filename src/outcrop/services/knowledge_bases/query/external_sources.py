"""EXTERNAL_SOURCES: a question to one document that the caller names or sends."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from outcrop.engines.chunking.chunk import Chunk, Strategy
from outcrop.engines.inference.engine import EngineError
from outcrop.engines.inference.models import Models
from outcrop.engines.parsing.document import ParseError, UnsupportedFormat
from outcrop.services.contract import Context, ServiceError
from outcrop.services.knowledge_bases.errors import (
    DependencyFailedException,
    ResourceNotFoundException,
    ValidationException,
)
from outcrop.services.knowledge_bases.ingestion.objects import Staging
from outcrop.services.knowledge_bases.query.results import SOURCE, Found
from outcrop.settings import Settings

if TYPE_CHECKING:
    from outcrop.engines.parsing import Parser

LONGEST = 10 * 1024 * 1024
MOST_PASSAGES = 12
_EXTENSIONS = {
    "application/pdf": ".pdf",
    "text/plain": ".txt",
    "text/markdown": ".md",
    "text/x-markdown": ".md",
    "text/html": ".html",
    "application/xhtml+xml": ".html",
    "text/csv": ".csv",
    "application/csv": ".csv",
    "application/msword": ".doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
    "application/vnd.ms-excel": ".xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
}


class ExternalSources:
    def __init__(self, settings: Settings, models: Models, staging: Staging) -> None:
        self._settings = settings
        self._models = models
        self._staging = staging
        self._parser: Parser | None = None
        self._lock = asyncio.Lock()

    async def aclose(self) -> None:
        if self._parser is not None:
            await self._parser.aclose()
            self._parser = None

    def check(self, source: Mapping[str, Any]) -> None:
        """Raises ValidationException for what shows without reading it."""
        kind, member = source["sourceType"], _MEMBERS[source["sourceType"]]
        other = [name for name in _MEMBERS.values() if name != member and name in source]
        if member not in source or other:
            raise ValidationException(f"A source of type {kind} must have {member}, and no other member of its kind.")
        if kind == "BYTE_CONTENT":
            _name(source["byteContent"]["identifier"], source["byteContent"]["contentType"])

    async def find(self, ctx: Context, source: Mapping[str, Any], question: str) -> list[Found]:
        """The passages of the document that bear on the question, best first."""
        from outcrop.engines.answering.selection import select
        from outcrop.engines.retrieval import Scored

        data, uri, name = await self._content(ctx, source)
        chunks = await self._chunks(data, uri, name)
        if not chunks:
            raise ValidationException(f"No text was found in {uri}. Send a document that has some.")
        try:
            embedder = await self._models.embedder("")
            best = await select(embedder, question, [chunk.text for chunk in chunks], MOST_PASSAGES)
        except EngineError as error:
            raise DependencyFailedException(str(error)) from None
        found = []
        for index, cosine in best:
            metadata = self._metadata(uri, chunks[index])
            chunk_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{uri}|{index}"))
            hit = Scored(chunk_id, uri, chunks[index].text, metadata, cosine, cosine, None)
            found.append(Found(hit, hit.text, cosine))
        return found

    def _metadata(self, uri: str, chunk: Chunk) -> dict[str, Any]:
        metadata: dict[str, Any] = {SOURCE: uri}
        if chunk.page is not None:
            metadata["x-amz-bedrock-kb-document-page-number"] = float(chunk.page - 1 + self._settings.page_number_base)
            metadata["_page"] = chunk.page
        if chunk.section:
            metadata["_section"] = chunk.section
        return metadata

    async def _content(self, ctx: Context, source: Mapping[str, Any]) -> tuple[bytes, str, str]:
        """The document's bytes, what citations call it, and a name whose end tells its format."""
        if source["sourceType"] == "BYTE_CONTENT":
            given = source["byteContent"]
            return given["data"], given["identifier"], _name(given["identifier"], given["contentType"])
        uri = source["s3Location"]["uri"]
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        try:
            answer = await ctx.call("s3", "get_object", {"Bucket": bucket, "Key": key})
        except ServiceError as error:
            if error.code == "AccessDenied":
                raise ValidationException(f"Access to {uri} was denied: {error.message}") from None
            raise ResourceNotFoundException(f"{uri} can't be read: {error.message or error.code}") from None
        pieces, size = [], 0
        async for piece in answer["Body"]:
            size += len(piece)
            if size > LONGEST:
                raise ValidationException(f"{uri} has more than 10 MB, the most that an external source may have.")
            pieces.append(piece)
        return b"".join(pieces), uri, key.rpartition("/")[2]

    async def _chunks(self, data: bytes, uri: str, name: str) -> list[Chunk]:
        from outcrop.engines.chunking import chunk

        path = self._staging.new()
        try:
            await asyncio.to_thread(path.write_bytes, data)
            document = await (await self._open()).parse(path, name)
        except (ParseError, UnsupportedFormat) as error:
            raise ValidationException(f"{uri} can't be read: {error}") from None
        finally:
            path.unlink(missing_ok=True)
        try:
            embedder = await self._models.embedder("")
        except EngineError as error:
            raise DependencyFailedException(str(error)) from None
        return list(await asyncio.to_thread(chunk, document, Strategy(), embedder.token_spans))

    async def _open(self) -> Parser:
        async with self._lock:
            if self._parser is None:
                from outcrop.engines.parsing import Parser

                parser = Parser()
                await parser.open()
                self._parser = parser
            return self._parser


_MEMBERS = {"S3": "s3Location", "BYTE_CONTENT": "byteContent"}


def _name(identifier: str, content_type: str) -> str:
    """Raises ValidationException for a type of content that isn't a document's."""
    extension = _EXTENSIONS.get(content_type.split(";")[0].strip().lower())
    if extension is None:
        raise ValidationException(
            f"The content type {content_type} of {identifier} is not supported. Use one of {', '.join(_EXTENSIONS)}."
        )
    return f"document{extension}"
