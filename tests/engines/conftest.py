"""A small embedder for tests of what is built on embeddings: words hashed into buckets, so that texts which share
words are near each other."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from outcrop.engines.indexing.terms import query_terms, terms


class HashingEmbedder:
    name = "hashing"
    dimensions = 384

    def __init__(self):
        self.embedded = 0
        """Texts embedded so far."""

    async def open(self):
        pass

    async def aclose(self):
        pass

    async def embed(self, texts, purpose="document"):
        self.embedded += len(texts)
        rows = np.zeros((len(texts), self.dimensions), np.float32)
        for row, text in zip(rows, texts, strict=True):
            for term in query_terms(text, 512):
                row[zlib.crc32(term.encode()) % self.dimensions] += 1
            length = np.linalg.norm(row)
            if length:
                row /= length
        return rows

    def count_tokens(self, text):
        return len(terms(text))

    def token_spans(self, text):
        raise NotImplementedError("nothing here cuts by tokens")


@pytest.fixture
def hashing():
    return HashingEmbedder()
