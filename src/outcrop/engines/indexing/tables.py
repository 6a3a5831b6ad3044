"""Tables of vectors that are open, by name: one for all who know the name. Light, so that anyone may hold it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from outcrop.engines.inference.engine import EngineError

if TYPE_CHECKING:
    from outcrop.engines.indexing.vectors import VectorTable


class Closed(EngineError):
    """The table was closed, as a deleted one is."""

    def __init__(self) -> None:
        super().__init__("the table of vectors was closed or deleted meanwhile")


class VectorTables:
    def __init__(self) -> None:
        self._open: dict[str, VectorTable] = {}
        self._lock = threading.Lock()

    def get(self, name: str) -> VectorTable | None:
        return self._open.get(name)

    def open(self, name: str, make: Callable[[], VectorTable]) -> VectorTable:
        """The table of this name, made if it isn't open."""
        with self._lock:
            if name not in self._open:
                self._open[name] = make()
            return self._open[name]

    def close(self, name: str) -> None:
        with self._lock:
            table = self._open.pop(name, None)
        if table:
            table.close()

    def close_all(self) -> None:
        for name in list(self._open):
            self.close(name)
