"""One document from file to index: parse, cut, embed, write."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from outcrop.engines.chunking.chunk import Strategy
from outcrop.engines.chunking.semantic import TooLong
from outcrop.engines.indexing.index import Entry, Index
from outcrop.engines.parsing.document import ParseError, UnsupportedFormat
from outcrop.engines.preparing.hands import Hands, Prepared, Recipe
from outcrop.engines.preparing.threads import in_thread
from outcrop.services.contract import Context, Deps
from outcrop.services.knowledge_bases.common import model_id
from outcrop.services.knowledge_bases.indexes import Indexes
from outcrop.services.knowledge_bases.ingestion.entries import Naming, Piece, check_size, rewritten
from outcrop.services.knowledge_bases.ingestion.failures import DocumentFailure
from outcrop.services.knowledge_bases.ingestion.model_parsing import ModelParsing
from outcrop.services.knowledge_bases.ingestion.objects import Staging
from outcrop.services.knowledge_bases.ingestion.parents import Parents
from outcrop.services.knowledge_bases.ingestion.spreading import Turns
from outcrop.services.knowledge_bases.ingestion.transformation import Transformation
from outcrop.services.knowledge_bases.sidecars import Attributes
from outcrop.services.knowledge_bases.store import DataSource, KnowledgeBase

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from outcrop.engines.parsing import Parser
    from outcrop.engines.preparing.cluster import Cluster
    from outcrop.settings import Settings

WIDTH = max(4, 2 * (os.cpu_count() or 1))
MODEL_INPUT = 8192
"""Tokens that AWS's embedding models read of a chunk."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where documents go."""

    kb: KnowledgeBase
    source: DataSource
    index: Index
    strategy: Strategy
    new_context: Callable[[], Context]
    """Calls as the knowledge base's role. Each call of a function wants a context of its own: its request id is the
    invocation's."""
    parsing: ModelParsing | None = None
    transformation: Transformation | None = None
    job_id: str = ""
    """Of the ingestion job, where there is one."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A document that has been fetched."""

    uri: str
    path: Path
    name: str
    """Tells its format."""
    attributes: Attributes


class Pipeline:
    """Documents of different names may be under way at once; those of one name take turns."""

    def __init__(self, deps: Deps, indexes: Indexes, parents: Parents) -> None:
        self._settings = deps.settings
        self._indexes = indexes
        self._parents = parents
        self._parser: Parser | None = None
        self._parser_lock = asyncio.Lock()
        self._cluster = _cluster(deps.settings)
        self.staging = Staging(deps.data / "knowledge_bases" / "staging")
        self.turns = Turns()
        """By `Naming.document`: held from reading a document until its row is written."""

    async def aclose(self) -> None:
        if self._parser is not None:
            await self._parser.aclose()
            self._parser = None
        if self._cluster is not None:
            await self._cluster.aclose()

    @property
    def width(self) -> int:
        """Documents to have under way at once, so that fetching, parsing, embedding and writing overlap."""
        return WIDTH + (2 * self._cluster.processors if self._cluster is not None else 0)

    async def open(self) -> None:
        """Reach the cluster, if there is one. Raises EngineError."""
        if self._cluster is not None:
            await self._cluster.open()

    def naming(self, target: Target, uri: str) -> Naming:
        return Naming(target.kb.id, target.source.id, uri, self._settings.page_number_base)

    async def put(self, target: Target, incoming: Incoming) -> int:
        """Put a document in place of what the index has of it; answers its number of chunks. Raises DocumentFailure,
        EngineError."""
        naming = self.naming(target, incoming.uri)
        try:
            pieces, attributes, vectors = await self._prepared(target, naming, incoming)
        except UnsupportedFormat as error:
            raise DocumentFailure(str(error), "ignored") from None
        except ParseError as error:
            raise DocumentFailure(str(error)) from None
        except TooLong as error:
            raise DocumentFailure(str(error), "too_long") from None
        entries = self._entries(target, naming, pieces, attributes, vectors)
        await in_thread(self._write, target, naming, pieces, entries)
        return len(entries)

    async def rewrite(self, target: Target, uri: str, attributes: Attributes) -> int | None:
        """Give a document's chunks other attributes, without reading it again; answers how many there are, or None if
        the index has none of it. Raises DocumentFailure."""
        naming = self.naming(target, uri)

        def rewrite() -> int | None:
            old = target.index.entries(naming.document)
            entries = [
                Entry(entry.id, entry.document, entry.text, rewritten(entry.metadata, attributes), entry.vector)
                for entry in old
            ]
            self._check(target, entries)
            if entries:
                target.index.replace_document(naming.document, entries)
            return len(entries) or None

        return await in_thread(rewrite)

    async def remove(self, target: Target, uris: Sequence[str]) -> None:
        """Take documents out of the index."""

        def remove() -> None:
            target.index.delete_documents([self.naming(target, uri).document for uri in uris])
            for uri in uris:
                self._parents.keep(target.kb.id, target.source.id, uri)

        await in_thread(remove)

    async def _prepared(
        self, target: Target, naming: Naming, incoming: Incoming
    ) -> tuple[Sequence[Piece], Attributes, NDArray[np.float32]]:
        attributes = incoming.attributes
        model = target.parsing if target.parsing is not None and target.parsing.reads(incoming.name) else None
        if model is None and target.transformation is None:
            prepared = await self._prepared_at_once(target, incoming)
            pieces = [Piece(chunk) for chunk in prepared.chunks]
            self._check_input(target, pieces)
            return pieces, attributes, prepared.vectors
        parser = await self._open_parser()
        hands = Hands(parser, await self._indexes.embedder(target.kb))
        if model is not None:
            parsed = await model.parse(target.new_context, parser, self.staging, incoming.path, incoming.name)
        else:
            parsed = await parser.parse(incoming.path, incoming.name, attributes.records)
        pieces = [Piece(chunk) for chunk in await hands.cut(parsed, target.strategy)]
        if target.transformation is not None:
            pieces, attributes = await target.transformation.apply(
                target.new_context(), naming, target.job_id, pieces, attributes
            )
        self._check_input(target, pieces)
        vectors = await hands.embed([piece.chunk for piece in pieces], parsed.title, attributes.prefix())
        return pieces, attributes, vectors

    async def _prepared_at_once(self, target: Target, incoming: Incoming) -> Prepared:
        attributes = incoming.attributes
        recipe = Recipe(incoming.name, target.strategy, attributes.prefix(), attributes.records)
        if self._cluster is not None:
            return await self._cluster.prepare(incoming.path, recipe, model_id(target.kb.embedding_model))
        hands = Hands(await self._open_parser(), await self._indexes.embedder(target.kb))
        return await hands.prepare(incoming.path, recipe)

    def _check_input(self, target: Target, pieces: Sequence[Piece]) -> None:
        longest = max((piece.chunk.tokens for piece in pieces), default=0)
        if self._settings.strict and target.strategy.kind == "none" and longest > MODEL_INPUT:
            raise DocumentFailure(
                f"the document has {longest} tokens, more than the {MODEL_INPUT} that the embedding model reads of a "
                "chunk, and the chunking strategy NONE doesn't cut it"
            )

    def _entries(
        self,
        target: Target,
        naming: Naming,
        pieces: Sequence[Piece],
        attributes: Attributes,
        vectors: NDArray[np.float32],
    ) -> list[Entry]:
        entries = [
            Entry(
                id=naming.entry_id(piece.chunk.ordinal),
                document=naming.document,
                text=piece.chunk.text,
                metadata=naming.metadata(piece, attributes),
                vector=vector,
            )
            for piece, vector in zip(pieces, vectors, strict=True)
        ]
        self._check(target, entries)
        return entries

    def _check(self, target: Target, entries: Sequence[Entry]) -> None:
        if self._settings.strict and target.kb.storage_type == "S3_VECTORS":
            for entry in entries:
                check_size(entry.metadata, entry.id)

    def _write(self, target: Target, naming: Naming, pieces: Sequence[Piece], entries: Sequence[Entry]) -> None:
        parents = {
            naming.parent_id(piece.chunk.parent.ordinal, piece.chunk.parent.text): piece.chunk.parent.text
            for piece in pieces
            if piece.chunk.parent is not None
        }
        key = (target.kb.id, target.source.id, naming.uri)
        if parents:
            try:
                self._parents.add(*key, parents)
            except sqlite3.IntegrityError:
                raise DocumentFailure("the knowledge base was deleted meanwhile") from None
        target.index.replace_document(naming.document, entries)
        self._parents.keep(*key, parents)

    async def _open_parser(self) -> Parser:
        async with self._parser_lock:
            if self._parser is None:
                from outcrop.engines.parsing import Parser

                parser = Parser(workers=max(1, (os.cpu_count() or 2) - 1))
                await parser.open()
                self._parser = parser
            return self._parser


def _cluster(settings: Settings) -> Cluster | None:
    if not settings.ray:
        return None
    from outcrop.engines.preparing.cluster import Cluster

    return Cluster(settings)
