"""Hebb's product of directions, patch by patch as its equation has it; the twin against float64."""

from typing import Any

import numpy as np
import pytest
from bionas_cupy.engine.kernels import association, conv, threads
from bionas_cupy.engine.kernels.conv import Geometry
from kernel_cases import Array, distance, draw, needs_numba

CASES = [  # geometry; inputs, outputs; size: on the twin's different ways
    (Geometry(5), (3, 96), (32, 32)),
    (Geometry(5), (3, 96), (20, 20)),  # as many positions as vectors hold
    (Geometry(3, 2, 1), (3, 30), (13, 9)),
    (Geometry(3, 1, 2, 2), (2, 27), (11, 12)),
    (Geometry(1), (6, 5), (8, 8)),
    (Geometry(5), (1, 16), (40, 40)),  # more positions than a block holds
    (Geometry(3, 1, 1), (8, 12), (17, 16)),
    (Geometry(5, 1, 2), (8, 120), (40, 40)),  # patches that do not stay in the cache
    (Geometry(3, 1, 1, 1, 2), (6, 4), (9, 9)),
    (Geometry(3, 1, 1, 1, 4), (4, 4), (10, 12)),
]


def problem(g: Geometry, channels: tuple[int, int], size: tuple[int, int]) -> tuple[Array, Array, Array]:
    """y = W x, x and W; one image is silent, and so are the outputs of another."""
    x, W = draw(2, 3, channels[0], *size), draw(3, channels[1], channels[0] // g.groups, g.kernel, g.kernel)
    x[1] = 0
    if g.groups == 1 < channels[0]:
        x[2, 1:], W[:, 0] = 0, 0
    return conv.push(x[:, None], W[None], g)[:, 0], x, W


def patch_by_patch(y: Array, x: Array, g: Geometry, a: float) -> Array:
    k, d, p = g.kernel, g.dilation, g.padding
    padded = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
    U, C = y.shape[1] // g.groups, x.shape[1] // g.groups
    G = np.zeros((y.shape[1], C, k, k))
    for n, i, j in np.ndindex(len(y), *y.shape[2:]):
        rows, cols = (slice(g.stride * at, g.stride * at + d * (k - 1) + 1, d) for at in (i, j))
        for group in range(g.groups):
            units = slice(group * U, (group + 1) * U)
            post, pre = y[n, units, i, j], padded[n, group * C : (group + 1) * C, rows, cols]
            lengths = np.linalg.norm(post) * np.linalg.norm(pre)
            if lengths > 0:
                G[units] += a * np.multiply.outer(post, pre) / lengths
    return G


def single(*arrays: Array) -> list[Array]:
    return [a.astype(np.float32) for a in arrays]


@pytest.mark.parametrize(("g", "channels", "size"), CASES)
def test_the_reference_is_the_sum_over_patches(g: Geometry, channels: Any, size: Any) -> None:
    y, x, W = problem(g, channels, size)
    assert distance(association.patches(y, x, W, g, 0.3), patch_by_patch(y, x, g, 0.3)) < 1e-12


@needs_numba
@pytest.mark.parametrize(("g", "channels", "size"), CASES)
def test_the_twin_of_patches(g: Geometry, channels: Any, size: Any) -> None:
    y, x, W = problem(g, channels, size)
    expected = association.patches(y, x, W, g, 0.3)
    assert distance(association.patches(*single(y, x, W), g, 0.3), expected) < 1e-6


def test_rows_and_their_twin() -> None:
    y, x = draw(1, 33, 130), draw(2, 33, 75)
    y[3], x[5] = 0, 0
    expected = patch_by_patch(y[..., None, None], x[..., None, None], Geometry(1), 0.3)[..., 0, 0]
    assert distance(association.rows(y, x, 0.3), expected) < 1e-12
    assert distance(association.rows(*single(y, x), 0.3), expected) < 1e-6


@pytest.mark.parametrize("case", [0, 6, 9])
def test_a_value_that_is_no_number_is_not_hidden(case: int) -> None:
    g, channels, size = CASES[case]
    _, x, W = problem(g, channels, size)
    x[0, 0, 4, 4] = np.nan
    for x_, W_ in ((x, W), single(x, W)):
        y = conv.push(x_[:, None], W_[None], g)[:, 0]
        assert np.isnan(association.patches(y, x_, W_, g, 1.0)[: channels[1] // g.groups]).all()
        rows = y[:, :, 0, 0], np.where(x_[:, :, 4, 4] > 0, np.nan, x_[:, :, 4, 4])
        assert np.isnan(association.rows(*rows, 1.0)).any()


@needs_numba
def test_the_number_of_threads_changes_no_bit() -> None:
    g = Geometry(5)
    y, x, W = single(*problem(g, (3, 96), (20, 20)))
    results = []
    for count in (1, 2, 3):
        threads.set_threads(count)
        results.append(association.patches(np.tile(y, (3, 1, 1, 1)), np.tile(x, (3, 1, 1, 1)), W, g, 1.0))
    threads.set_threads(None)
    assert all(np.array_equal(results[0], each) for each in results)
