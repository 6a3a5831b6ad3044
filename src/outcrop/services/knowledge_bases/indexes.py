"""The open index of each knowledge base, one directory a knowledge base."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from outcrop.engines.embedding import Embedder
from outcrop.engines.indexing.index import Index
from outcrop.engines.inference.engine import EngineError
from outcrop.services.contract import Context, Deps
from outcrop.services.knowledge_bases.common import model_id
from outcrop.services.knowledge_bases.errors import ValidationException
from outcrop.services.knowledge_bases.rds import postgres_index
from outcrop.services.knowledge_bases.s3_vectors import S3VectorsIndexes, index_arn, no_such_index
from outcrop.services.knowledge_bases.store import KnowledgeBase


class Indexes:
    def __init__(self, directory: Path, deps: Deps) -> None:
        self._directory = directory
        self._models = deps.models
        self._s3_vectors = S3VectorsIndexes(deps)
        self._settings = deps.settings
        self._open: dict[str, Index] = {}
        self._lock = asyncio.Lock()

    async def get(self, kb: KnowledgeBase) -> Index:
        """The index of this knowledge base, opened. Raises EngineError if the embedding model can't be loaded, and in
        strict mode ValidationException if the index that its storage configuration names doesn't exist.

        One that was once served by a folder of ours stays there."""
        if index := self._open.get(kb.id):
            return index
        embedder = await self.embedder(kb)
        arn = index_arn(kb.body.get("storageConfiguration") or {})
        if arn and not (self._directory / kb.id).exists():
            if found := await self._s3_vectors.find(kb, arn, embedder.dimensions):
                return found
            if self._settings.strict:
                raise no_such_index()
        async with self._lock:
            if kb.id not in self._open:
                index = self._made(kb, embedder.dimensions)
                await asyncio.to_thread(index.open)
                self._open[kb.id] = index
            return self._open[kb.id]

    def _made(self, kb: KnowledgeBase, dimensions: int) -> Index:
        if kb.storage_type == "RDS":
            return postgres_index(self._settings.postgres, kb.body["storageConfiguration"], dimensions)
        from outcrop.engines.indexing.embedded import EmbeddedIndex

        return EmbeddedIndex(self._directory / kb.id / "index.sqlite", dimensions)

    def is_own(self, kb: KnowledgeBase) -> bool:
        """Whether the index is a folder of ours, which goes with the knowledge base."""
        named = kb.storage_type == "RDS" or index_arn(kb.body.get("storageConfiguration") or {})
        return not named or (self._directory / kb.id).exists()

    async def check(self, ctx: Context, storage: Mapping[str, Any]) -> None:
        """Raises ValidationException if a storage configuration names what isn't there: a server of PostgreSQL, or, in
        strict mode, an index of S3 Vectors."""
        if storage["type"] == "RDS":
            try:
                await asyncio.to_thread(postgres_index(self._settings.postgres, storage, 1).reach)
            except EngineError as error:
                raise ValidationException(
                    f"The knowledge base storage configuration provided is invalid... {error}"
                ) from None
        arn = index_arn(storage)
        if self._settings.strict and arn and not await self._s3_vectors.exists(ctx, arn):
            raise no_such_index()

    async def embedder(self, kb: KnowledgeBase) -> Embedder:
        return await self._models.embedder(model_id(kb.embedding_model))

    async def delete_documents(self, index: Index, documents: Sequence[str]) -> None:
        await asyncio.to_thread(index.delete_documents, documents)

    def delete(self, kb_id: str) -> None:
        """Close and remove the index of a knowledge base that is gone."""
        if index := self._open.pop(kb_id, None):
            index.close()
        shutil.rmtree(self._directory / kb_id, ignore_errors=True)

    async def aclose(self) -> None:
        while self._open:
            self._open.popitem()[1].close()
