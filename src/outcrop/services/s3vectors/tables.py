"""The open table of each vector index: a file an index, named by the row's number, which is never used again."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from outcrop.services.s3vectors.errors import no_index
from outcrop.services.s3vectors.store import VectorIndex, VectorStore

if TYPE_CHECKING:
    from outcrop.engines.indexing.vectors import VectorTable

T = TypeVar("T")


class Tables:
    def __init__(self, directory: Path, store: VectorStore) -> None:
        self._directory = directory
        self._store = store
        self._open: dict[int, VectorTable] = {}
        self._lock = threading.Lock()

    async def use(self, index: VectorIndex, work: Callable[[VectorTable], T]) -> T:
        """Do something with an index's table, in a thread. Raises NotFoundException if the index is deleted."""
        from outcrop.engines.indexing.vectors import Closed

        try:
            return await asyncio.to_thread(lambda: work(self._table(index)))
        except Closed:
            raise no_index() from None

    def remove(self, index_id: int) -> None:
        """Close and delete the table of an index whose row is gone."""
        with self._lock:
            table = self._open.pop(index_id, None)
        if table:
            table.close()
        self._erase(self._path(index_id))

    async def sweep(self) -> None:
        """Delete the files of indexes whose deletion a crash cut short."""
        kept = self._store.index_ids()
        for path in self._directory.glob("*.sqlite"):
            if path.stem.isdigit() and int(path.stem) not in kept:
                self._erase(path)

    async def aclose(self) -> None:
        with self._lock:
            while self._open:
                self._open.popitem()[1].close()

    def _table(self, index: VectorIndex) -> VectorTable:
        from outcrop.engines.indexing.vectors import VectorTable

        with self._lock:
            table = self._open.get(index.id)
            if table is None:
                if index.id not in self._store.index_ids():
                    raise no_index()
                path = self._path(index.id)
                table = self._open[index.id] = VectorTable(path, index.dimension, index.metric, index.searchable)
            return table

    def _path(self, index_id: int) -> Path:
        return self._directory / f"{index_id}.sqlite"

    def _erase(self, path: Path) -> None:
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
