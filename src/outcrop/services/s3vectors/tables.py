"""The open table of each vector index: a file an index, named by the row's number, which is never used again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from outcrop.engines.indexing.tables import Closed, VectorTables
from outcrop.services.s3vectors.errors import no_index
from outcrop.services.s3vectors.store import VectorIndex, VectorStore

if TYPE_CHECKING:
    from outcrop.engines.indexing.vectors import VectorTable

T = TypeVar("T")


class Tables:
    def __init__(self, directory: Path, store: VectorStore, tables: VectorTables) -> None:
        self._directory = directory
        self._store = store
        self._tables = tables

    async def use(self, index: VectorIndex, work: Callable[[VectorTable], T]) -> T:
        """Do something with an index's table, in a thread. Raises NotFoundException if the index is deleted."""
        from outcrop.engines.indexing.vectors import VectorTable

        def make() -> VectorTable:
            if index.id not in self._store.index_ids():
                raise no_index()
            return VectorTable(self._path(index.id), index.dimension, index.metric, index.searchable)

        try:
            return await asyncio.to_thread(lambda: work(self._tables.open(index.place.arn, make)))
        except Closed:
            raise no_index() from None

    def remove(self, index: VectorIndex) -> None:
        """Close and delete the table of an index whose row is gone."""
        self._tables.close(index.place.arn)
        self._erase(self._path(index.id))

    async def sweep(self) -> None:
        """Delete the files of indexes whose deletion a crash cut short."""
        kept = self._store.index_ids()
        for path in self._directory.glob("*.sqlite"):
            if path.stem.isdigit() and int(path.stem) not in kept:
                self._erase(path)

    async def aclose(self) -> None:
        self._tables.close_all()

    def _path(self, index_id: int) -> Path:
        return self._directory / f"{index_id}.sqlite"

    def _erase(self, path: Path) -> None:
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
