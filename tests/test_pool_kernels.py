"""Pools: the reference against a plain loop, the compiled twins against the reference."""

from typing import Any

import numpy as np
import pytest
from bionas_cupy.engine.kernels import (
    pool,
)
from bionas_cupy.engine.kernels.conv import Geometry
from kernel_cases import POOLS, SIZES, Array, distance, draw, needs_numba
from test_conv_kernels import check_twin


def naive_max(x: Array, k: int, s: int, p: int) -> tuple[Array, Array]:
    g = Geometry(k, s, p)
    y = np.full((*x.shape[:-2], g.out_size(x.shape[-2]), g.out_size(x.shape[-1])), -np.inf)
    where = np.zeros(y.shape, np.uint8)
    for index in np.ndindex(y.shape):
        *lead, i, j = index
        for a, b in np.ndindex(k, k):
            row, col = i * s + a - p, j * s + b - p
            if 0 <= row < x.shape[-2] and 0 <= col < x.shape[-1] and x[(*lead, row, col)] > y[index]:
                y[index], where[index] = x[(*lead, row, col)], a * k + b
    return y, where


@pytest.mark.parametrize("reference", [True, pytest.param(False, marks=needs_numba)])
@pytest.mark.parametrize(("k", "s", "p"), POOLS)
def test_max_pool(k: int, s: int, p: int, reference: bool) -> None:
    x = np.round(draw(1, 2, 5, 9, 11), 1)  # one decimal: many ties
    if not reference:
        x = x.astype(np.float32)
    y, where = pool.max_pool(x, k, s, p)
    assert all(np.array_equal(a, b) for a, b in zip((y, where), naive_max(x, k, s, p), strict=True))
    tangent, delta = draw(2, *x.shape).astype(x.dtype), draw(3, *y.shape).astype(x.dtype)
    pushed = pool.max_pool_push(tangent, where, k, s, p)
    pulled = pool.max_pool_pull(delta, where, k, s, p, (9, 11))
    assert float((pushed * delta).sum()) == pytest.approx(float((pulled * tangent).sum()), rel=1e-4, abs=1e-4)
    assert np.array_equal(pool.max_pool_push(x, where, k, s, p), y)
    counted = pool.max_pool_pull(np.ones_like(delta), where, k, s, p, (9, 11))
    assert float(counted.sum()) == delta.size


@pytest.mark.parametrize("dtype", [np.float64, pytest.param(np.float32, marks=needs_numba)])
def test_max_pool_of_infinities_and_nan(dtype: Any) -> None:
    x = np.full((1, 4, 4), -np.inf, dtype)
    y, where = pool.max_pool(x, 3, 2, 1)
    assert np.all(y == -np.inf)
    assert where.ravel().tolist() == [4, 3, 1, 0]  # the first tap inside the image
    x[0, 1, 1], x[0, 3, 3] = np.nan, 1.0
    assert np.isnan(pool.max_pool(x, 3, 2, 1)[0]).all()


@pytest.mark.parametrize(("k", "s", "p"), POOLS)
def test_avg_pool(k: int, s: int, p: int) -> None:
    x, g = draw(1, 2, 3, 9, 11), Geometry(k, s, p)
    y = pool.avg_pool(x, k, s, p)
    for i, j in np.ndindex(y.shape[-2:]):
        rows, cols = (slice(max(0, q * s - p), q * s - p + k) for q in (i, j))
        assert distance(y[..., i, j], x[..., rows, cols].mean((-2, -1))) < 1e-12
    delta = draw(2, *y.shape)
    paired = float((delta * y).sum())
    assert float((pool.avg_pool_pull(delta, k, s, p, (9, 11)) * x).sum()) == pytest.approx(paired)
    assert g.out_size(9) == y.shape[-2]


@needs_numba
@pytest.mark.parametrize(("k", "s", "p"), POOLS)
@pytest.mark.parametrize("size", SIZES)
def test_pool_twins(k: int, s: int, p: int, size: tuple[int, int]) -> None:
    x, g = draw(1, 7, 2, 5, *size), Geometry(k, s, p)
    delta = draw(2, 7, 2, 5, g.out_size(size[0]), g.out_size(size[1]))
    where = pool.max_pool(x, k, s, p)[1]
    check_twin(pool.max_pool, x, k, s, p)
    check_twin(pool.max_pool_pull, delta, where, k, s, p, size)
    check_twin(pool.max_pool_push, x, where, k, s, p)
    check_twin(pool.avg_pool, x, k, s, p)
    check_twin(pool.avg_pool_pull, delta, k, s, p, size)
