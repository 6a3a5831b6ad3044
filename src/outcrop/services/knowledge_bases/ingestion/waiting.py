"""Documents that were handed over directly and wait for their turn."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from outcrop.services.knowledge_bases.store import Document, KnowledgeBaseStore

Action = Literal["ingest", "delete"]


@dataclass(frozen=True, slots=True)
class Waiting:
    seq: int
    uri: str
    action: Action
    content: Mapping[str, Any]
    """The document as it came, less its inline data."""
    data: bytes


@dataclass(frozen=True, slots=True)
class Handed:
    """A document as it is handed over."""

    uri: str
    action: Action
    content: Mapping[str, Any]
    data: bytes = b""


class WaitingStore:
    def __init__(self, store: KnowledgeBaseStore) -> None:
        self._store = store
        self._db = store.db

    def add(self, documents: Sequence[tuple[Handed, Document]]) -> None:
        """Keep documents, and show them as they now are, in one transaction."""
        with self._db.transaction() as connection:
            for handed, shown in documents:
                connection.execute(
                    "INSERT INTO waiting (kb_id, ds_id, uri, action, content, data) VALUES (?,?,?,?,?,?)",
                    (shown.kb_id, shown.ds_id, handed.uri, handed.action, json.dumps(handed.content), handed.data),
                )
                self._store.put_document(shown)

    def after(self, ds_id: str, seq: int) -> Waiting | None:
        """The oldest that came after `seq`."""
        row = self._db.read_one("SELECT * FROM waiting WHERE ds_id=? AND seq>? ORDER BY seq LIMIT 1", (ds_id, seq))
        if row is None:
            return None
        return Waiting(row["seq"], row["uri"], row["action"], json.loads(row["content"]), bytes(row["data"]))

    def is_replaced(self, ds_id: str, waiting: Waiting) -> bool:
        """Whether the document was handed over again."""
        return bool(
            self._db.read_one(
                "SELECT 1 FROM waiting WHERE ds_id=? AND uri=? AND seq>?", (ds_id, waiting.uri, waiting.seq)
            )
        )

    def settle(self, waiting: Waiting, document: Document | None = None) -> None:
        """It waits no more; the document is now so."""
        with self._db.transaction() as connection:
            connection.execute("DELETE FROM waiting WHERE seq=?", (waiting.seq,))
            if document is not None:
                self._store.put_document(document)

    def forget(self, kb_id: str, ds_id: str) -> None:
        self._db.write("DELETE FROM waiting WHERE kb_id=? AND ds_id=?", (kb_id, ds_id))

    def sources(self) -> list[tuple[str, str, str, str]]:
        """Account, region, knowledge base and data source of what waits."""
        rows = self._db.read(
            "SELECT DISTINCT k.account, k.region, w.kb_id, w.ds_id FROM waiting AS w "
            "JOIN knowledge_base AS k ON k.id=w.kb_id"
        )
        return [tuple(row) for row in rows]
