"""The larger texts that stand for hierarchical chunks in results.

Rows are added before the chunks that name them are indexed, and removed after no chunk names them any more: a chunk's
parent is there at every moment, whatever is interrupted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from outcrop.storage import Database


class Parents:
    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, kb_id: str, ds_id: str, uri: str, texts: Mapping[str, str]) -> None:
        """Texts by id, beside those that the document already has."""
        self._db.write_many(
            "INSERT OR REPLACE INTO parent VALUES (?,?,?,?,?)",
            [(parent_id, kb_id, ds_id, uri, text) for parent_id, text in texts.items()],
        )

    def keep(self, kb_id: str, ds_id: str, uri: str, kept: Iterable[str] = ()) -> None:
        """Forget the document's parents, except those kept."""
        self._db.write(
            "DELETE FROM parent WHERE kb_id=? AND ds_id=? AND uri=? AND id NOT IN (SELECT value FROM json_each(?))",
            (kb_id, ds_id, uri, json.dumps(list(kept))),
        )

    def texts(self, ids: Iterable[str]) -> dict[str, str]:
        """By id, of those that are there."""
        rows = self._db.read(
            "SELECT id, text FROM parent WHERE id IN (SELECT value FROM json_each(?))", (json.dumps(list(ids)),)
        )
        return {row["id"]: row["text"] for row in rows}
