"""Products of matrices: the twin against float64, however the factors lie."""

from typing import Any

import numpy as np
import pytest
from bionas_cupy.engine.kernels.product import product
from bionas_cupy.engine.kernels.threads import set_threads

SHAPES = [(130, 300, 150), (33, 784, 200), (517, 64, 129), (64, 1000, 65), (3, 5000, 900), (7, 9, 5)]


def factors(shape: tuple[int, int, int], turned: str) -> tuple[Any, Any]:
    """a (I, K) and b (K, J); those named are transposed views."""
    rows, depth, columns = shape
    random = np.random.default_rng(rows)
    a, b = (random.standard_normal(s).astype(np.float32) for s in ((rows, depth), (depth, columns)))
    a = np.ascontiguousarray(a.T).T if "a" in turned else a
    return a, np.ascontiguousarray(b.T).T if "b" in turned else b


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("turned", ["", "a", "b", "ab"])
def test_the_twin_is_the_product(shape: tuple[int, int, int], turned: str) -> None:
    a, b = factors(shape, turned)
    exact, found = a.astype(np.float64) @ b.astype(np.float64), product(a, b)
    assert found.shape == exact.shape
    assert found.flags.c_contiguous
    assert np.linalg.norm(found - exact) < 1e-6 * np.linalg.norm(exact)
    pairs = product(np.stack([a, 2 * a]), np.stack([b, b]))
    assert np.array_equal(pairs[0], found)
    assert np.linalg.norm(pairs[1] - 2 * exact) < 2e-6 * np.linalg.norm(exact)


def test_the_number_of_threads_changes_no_bit_of_a_product() -> None:
    a, b = factors(SHAPES[0], "b")
    results = []
    for count in (1, 2, 3):
        set_threads(count)
        results.append(product(a, b))
    set_threads(None)
    assert all(np.array_equal(results[0], each) for each in results)
