"""Unit vectors in another number of dimensions, and as bits.

Models are asked for 1536, 1024, 512 or 256 dimensions whatever the embedder has. A fixed matrix maps one to the other:
columns (or rows) of a cosine transform in a shuffled order, with shuffled signs. It is orthonormal by its formula and
its shuffling comes from SHA-256, so neither a NumPy nor a LAPACK of another version changes it: vectors in an index
stay comparable.

- To more dimensions: orthonormal columns. Inner products, hence all similarities, stay exactly what they were.
- To fewer: orthonormal rows, then length 1 again. Similarities are kept approximately.
"""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SEED = b"outcrop dimensions 1"
"""Never change it: it is part of every stored vector."""


def fit(vectors: NDArray[np.float32], dimensions: int) -> NDArray[np.float32]:
    """Unit vectors, shape (n, d), as unit vectors of shape (n, dimensions)."""
    own = vectors.shape[1]
    if dimensions == own:
        return vectors
    if dimensions < 1:
        raise ValueError(f"{dimensions} dimensions: expected at least 1")
    fitted = vectors @ _matrix(own, dimensions).T
    if dimensions < own:
        fitted /= np.maximum(np.linalg.norm(fitted, axis=1, keepdims=True), np.float32(1e-12))
    return fitted


def restore(vectors: NDArray[np.float32], dimensions: int) -> NDArray[np.float32]:
    """What `fit` was given, from what it answered: exactly where that had fewer dimensions, else its projection."""
    return vectors if vectors.shape[1] == dimensions else vectors @ _matrix(dimensions, vectors.shape[1])


def binary(vectors: NDArray[np.float32]) -> NDArray[np.uint8]:
    """One bit per number, 1 where it is positive, in the same shape. `np.packbits(…, axis=1)` packs them."""
    return (vectors > 0).astype(np.uint8)


@functools.lru_cache(maxsize=8)
def _matrix(own: int, wanted: int) -> NDArray[np.float32]:
    """Shape (wanted, own): orthonormal columns if wanted > own, orthonormal rows if wanted < own."""
    size = max(own, wanted)
    row = np.arange(size, dtype=np.float64)[:, None]
    column = np.arange(size, dtype=np.float64)[None, :]
    transform = np.cos(math.pi * (2 * column + 1) * row / (2 * size)) * math.sqrt(2 / size)
    transform[0] /= math.sqrt(2)
    kept = np.array(_shuffled(size, own, wanted)[: min(own, wanted)])
    chosen = transform[:, kept] if wanted > own else transform[kept]
    matrix: NDArray[np.float32] = (chosen * np.array(_signs(own, wanted))).astype(np.float32)
    return matrix


def _shuffled(size: int, own: int, wanted: int) -> list[int]:
    return sorted(range(size), key=lambda number: hashlib.sha256(SEED + b"%d %d %d" % (own, wanted, number)).digest())


def _signs(own: int, wanted: int) -> list[float]:
    return [1.0 if bit else -1.0 for bit, _ in zip(_bits(b"%d %d" % (own, wanted)), range(own), strict=False)]


def _bits(label: bytes) -> Iterator[int]:
    block = 0
    while True:
        for byte in hashlib.sha256(SEED + b" signs " + label + b" %d" % block).digest():
            yield from (byte >> shift & 1 for shift in range(8))
        block += 1
