"""From the vectors of a request to records, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from outcrop.services.s3vectors.errors import invalid, invalid_record
from outcrop.services.s3vectors.store import VectorIndex

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from outcrop.engines.indexing.vectors import Record

MAX_METADATA = 40 << 10
MAX_FILTERABLE = 2 << 10
MAX_KEYS = 50
_LONGEST_KEY = 63


def to_record(index: VectorIndex, given: Mapping[str, Any]) -> Record:
    """Raises ValidationException for what the index doesn't take."""
    from outcrop.engines.indexing.vectors import Record

    key = given["key"]
    vector = _vector(given["data"])
    if why := _flaw(index, vector):
        raise invalid_record(key, why)
    metadata = given.get("metadata")
    if why := _metadata_flaw(index, {} if metadata is None else metadata):
        raise invalid_record(key, why)
    return Record(_plain(key), vector, metadata or {})


def to_query(index: VectorIndex, data: Mapping[str, Any]) -> NDArray[np.float32]:
    vector = _vector(data)
    if why := _flaw(index, vector):
        raise invalid(f"Query {why}", "/queryVector")
    return vector


def described(record: Record, data: bool, metadata: bool) -> dict[str, Any]:
    answer: dict[str, Any] = {"key": record.key}
    if data:
        answer["data"] = {"float32": record.vector.tolist()}
    if metadata and record.metadata:
        answer["metadata"] = dict(record.metadata)
    return answer


def _vector(data: Mapping[str, Any]) -> NDArray[np.float32]:
    import numpy as np

    with np.errstate(over="ignore"):
        return np.asarray(data.get("float32", ()), np.float64).astype(np.float32)


def _flaw(index: VectorIndex, vector: NDArray[np.float32]) -> str:
    import numpy as np

    if len(vector) != index.dimension:
        return f"vector must have length {index.dimension}, but has length {len(vector)}"
    if not np.isfinite(vector).all():
        return "vector must contain only finite float32 values"
    if index.metric == "cosine" and not vector.any():
        return "vector must not be all zeros when the distance metric is cosine"
    return ""


def _metadata_flaw(index: VectorIndex, metadata: Any) -> str:
    if not isinstance(metadata, dict):
        return "Metadata must be an object"
    if len(metadata) > MAX_KEYS:
        return f"Metadata object must have at most {MAX_KEYS} keys"
    for key, value in metadata.items():
        if not 1 <= len(key) <= _LONGEST_KEY:
            return f"Metadata keys must have between 1 and {_LONGEST_KEY} characters"
        if not (_is_scalar(value) or (isinstance(value, list) and all(map(_is_scalar, value)))):
            return f"Metadata value of key '{key}' must be a string, a number, a boolean, or a list of them"
    if _size({key: value for key, value in metadata.items() if key not in index.not_filterable}) > MAX_FILTERABLE:
        return f"Filterable metadata must have at most {MAX_FILTERABLE} bytes"
    if _size(metadata) > MAX_METADATA:
        return f"Metadata must have at most {MAX_METADATA} bytes"
    return ""


def _is_scalar(value: Any) -> bool:
    if isinstance(value, float):
        return value - value == 0
    return isinstance(value, str | int)


def _size(metadata: Mapping[str, Any]) -> int:
    return len(_plain(json.dumps(metadata, ensure_ascii=False, separators=(",", ":"))).encode()) if metadata else 0


def _plain(text: str) -> str:
    """Without lone surrogates, which UTF-8 can't hold."""
    return text.encode("utf-8", "replace").decode()
