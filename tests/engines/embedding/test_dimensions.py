import numpy as np
import pytest

from outcrop.engines.embedding.dimensions import binary, fit


@pytest.fixture(scope="module")
def vectors():
    vectors = np.random.default_rng(1).standard_normal((100, 384)).astype(np.float32)
    vectors[1] = vectors[0] + 0.1 * vectors[1]
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("dimensions", [385, 512, 1024, 1536, 3072])
def test_fit_to_more_dimensions_keeps_inner_products(vectors, dimensions):
    fitted = fit(vectors, dimensions)
    assert fitted.shape == (100, dimensions)
    assert fitted.dtype == np.float32
    np.testing.assert_allclose(fitted @ fitted.T, vectors @ vectors.T, atol=1e-5)
    assert (fitted != 0).mean() > 0.99


@pytest.mark.parametrize("dimensions", [1, 128, 256, 383])
def test_fit_to_fewer_dimensions_keeps_unit_length(vectors, dimensions):
    fitted = fit(vectors, dimensions)
    assert fitted.shape == (100, dimensions)
    np.testing.assert_allclose(np.linalg.norm(fitted, axis=1), 1, atol=1e-5)


def test_fit_to_fewer_dimensions_keeps_similarities_roughly(vectors):
    fitted = fit(vectors, 256)
    assert np.abs(fitted @ fitted.T - vectors @ vectors.T).max() < 0.2
    assert fitted[0] @ fitted[1] > 0.98


def test_fit_to_own_dimensions_changes_nothing(vectors):
    np.testing.assert_array_equal(fit(vectors, 384), vectors)


def test_fit_refuses_no_dimensions(vectors):
    with pytest.raises(ValueError, match="0 dimensions"):
        fit(vectors, 0)


def test_fit_of_no_vectors():
    assert fit(np.empty((0, 384), np.float32), 1024).shape == (0, 1024)


def test_fit_is_the_same_for_ever():
    axis = np.eye(384, dtype=np.float32)[:1]
    np.testing.assert_allclose(fit(axis, 1024)[0, :4], [-0.03125, 0.0109355, 0.0387824, -0.0301282], atol=1e-6)
    np.testing.assert_allclose(fit(axis, 256)[0, :4], [0.0894846, 0.0869356, 0.0900614, 0.0902449], atol=1e-6)


def test_binary():
    bits = binary(np.array([[0.5, -0.5, 0.0, 1e-9]], np.float32))
    assert bits.tolist() == [[1, 0, 0, 1]]
    assert bits.dtype == np.uint8


def test_binary_keeps_neighbours(vectors):
    bits = binary(fit(vectors, 1024))
    distances = (bits[0] != bits).sum(axis=1)
    assert distances.argsort()[1] == 1
