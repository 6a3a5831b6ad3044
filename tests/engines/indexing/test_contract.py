"""Every index of ours passes what every index has to."""

from __future__ import annotations

import pytest

from outcrop.engines.indexing.embedded import EmbeddedIndex
from outcrop.engines.indexing.tabled import Layout, TableIndex
from outcrop.engines.indexing.vectors import VectorTable
from outcrop.testing.indexes import IndexContract


class TestEmbedded(IndexContract):
    @pytest.fixture
    def make(self, tmp_path):
        return lambda: EmbeddedIndex(tmp_path / "index.sqlite", self.DIMENSIONS)


class TestTable(IndexContract):
    @pytest.fixture(params=[("cosine", 8), ("euclidean", 8), ("cosine", 20), ("euclidean", 13)], ids=str)
    def make(self, tmp_path, request):
        metric, dimensions = request.param
        table = VectorTable(tmp_path / "t.sqlite", dimensions, metric, {})
        yield lambda: TableIndex(table, self.DIMENSIONS, Layout("TEXT", "DETAILS", "mark"))
        table.close()
