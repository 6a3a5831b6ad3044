"""The open index of each knowledge base, one directory a knowledge base."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path

from outcrop.engines.embedding import Embedder
from outcrop.engines.indexing.index import Index
from outcrop.engines.inference.models import Models
from outcrop.services.knowledge_bases.common import model_id
from outcrop.services.knowledge_bases.store import KnowledgeBase


class Indexes:
    def __init__(self, directory: Path, models: Models) -> None:
        self._directory = directory
        self._models = models
        self._open: dict[str, Index] = {}
        self._lock = asyncio.Lock()

    async def get(self, kb: KnowledgeBase) -> Index:
        """The index of this knowledge base, opened. Raises EngineError if the embedding model can't be loaded."""
        if index := self._open.get(kb.id):
            return index
        embedder = await self.embedder(kb)
        async with self._lock:
            if kb.id not in self._open:
                from outcrop.engines.indexing.embedded import EmbeddedIndex

                index = EmbeddedIndex(self._directory / kb.id / "index.sqlite", embedder.dimensions)
                await asyncio.to_thread(index.open)
                self._open[kb.id] = index
            return self._open[kb.id]

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
