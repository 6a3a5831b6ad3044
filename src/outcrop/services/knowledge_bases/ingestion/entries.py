"""Chunks as entries of the index: their ids, what is embedded for them, and what filters see."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from outcrop.engines.chunking.chunk import Chunk
from outcrop.services.knowledge_bases.ingestion.failures import DocumentFailure
from outcrop.services.knowledge_bases.sidecars import Attributes

MAX_KEYS, MAX_METADATA = 35, 1024
"""Of custom metadata that a knowledge base keeps with a vector of S3 Vectors."""
PARENT = "_parent"
"""The metadata key under which a hierarchical chunk names its parent."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A chunk with what a custom transformation may have said of it."""

    chunk: Chunk
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """Of this chunk alone; they go before the document's."""


@dataclass(frozen=True, slots=True)
class Naming:
    """Where a document's entries stand."""

    kb_id: str
    ds_id: str
    uri: str
    page_base: int = 1

    @property
    def document(self) -> str:
        return f"{self.ds_id}|{self.uri}"

    def entry_id(self, ordinal: int) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self.kb_id}|{self.document}|{ordinal}"))

    def parent_id(self, ordinal: int, text: str) -> str:
        """Of the text too: a changed document's parents don't take the place of those that are still searched."""
        digest = hashlib.sha256(f"{self.kb_id}|{self.document}|{ordinal}|{text}".encode("utf-8", "replace"))
        return digest.hexdigest()[:32]

    def metadata(self, piece: Piece, attributes: Attributes) -> dict[str, Any]:
        """What filters see and results carry. Keys that begin with `_` stay inside."""
        chunk = piece.chunk
        result: dict[str, Any] = {
            **dict(chunk.attributes),
            **attributes.filterable,
            **piece.attributes,
            "x-amz-bedrock-kb-source-uri": self.uri,
            "x-amz-bedrock-kb-data-source-id": self.ds_id,
            "x-amz-bedrock-kb-source-file-modality": "TEXT",
        }
        if chunk.page is not None:
            result["x-amz-bedrock-kb-document-page-number"] = float(chunk.page - 1 + self.page_base)
            result["_page"] = chunk.page
        if chunk.section:
            result["_section"] = chunk.section
        if chunk.box is not None:
            result["_box"] = list(chunk.box)
        if chunk.parent is not None:
            result[PARENT] = self.parent_id(chunk.parent.ordinal, chunk.parent.text)
        return result


def rewritten(metadata: Mapping[str, Any], attributes: Attributes) -> dict[str, Any]:
    """An entry's metadata with other attributes of its document."""
    own = {key: value for key, value in metadata.items() if key.startswith(("_", "x-amz-bedrock"))}
    return {**attributes.filterable, **own}


def check_size(metadata: Mapping[str, Any], key: str) -> None:
    """Raises DocumentFailure where S3 Vectors would refuse the metadata."""
    custom = {name: value for name, value in metadata.items() if not name.startswith(("_", "x-amz-bedrock"))}
    size = len(json.dumps(custom, ensure_ascii=False).encode("utf-8", "replace"))
    if len(custom) > MAX_KEYS:
        raise DocumentFailure(
            f"Invalid record for key '{key}': Metadata object must have at most {MAX_KEYS} keys, but {len(custom)} came"
        )
    if size > MAX_METADATA:
        raise DocumentFailure(f"Invalid record for key '{key}': Filterable metadata must have at most 2048 bytes")
