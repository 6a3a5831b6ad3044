from __future__ import annotations

import numpy as np
import pytest

from outcrop.engines.indexing.matrix import dots


@pytest.mark.parametrize("rows", [1, 5, 19_999, 45_000, 70_001])
def test_scalar_products_of_any_number_of_rows(rows):
    vectors = np.random.default_rng(rows).standard_normal((rows, 5)).astype(np.float32)
    assert np.allclose(dots(vectors, vectors[0]), vectors @ vectors[0], atol=1e-4)
