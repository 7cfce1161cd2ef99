"""What the edges of a state send back, against differences of what they read, and the twin against the reference."""

from collections.abc import Callable

import numpy as np
import pytest
from bionas_cupy.engine.kernels import pool, readings, threads
from bionas_cupy.engine.kernels.half import Upstream
from bionas_cupy.engine.kernels.pool import Pull, Window
from bionas_cupy.engine.kernels.readings import Pooled
from bionas_cupy.engine.kernels.scratch import scratch
from kernel_cases import Array, distance, draw, needs_numba
from test_conv_kernels import check_twin

N, C = 3, 4
EDGES = (1, 3)  # into each pool
WINDOWS = [(3, 1, 1), (3, 2, 1), (1, 2, 0)]  # kernel, stride, padding; the last leaves pixels out
Pools = list[tuple[Pull, Callable[[Array], Array]]]


def pools_of(x: Array, window: Window) -> Pools:
    """Each pool's way back, and the pool with its maxima held where x has them."""
    size = x.shape[-2:]
    where = pool.max_pool(x, *window)[1]
    return [
        (Pull(window, size, where), lambda t: pool.max_pool_push(t, where, *window)),
        (Pull(window, size), lambda t: pool.avg_pool(t, *window)),
    ]


def problem(
    size: tuple[int, int], window: Window, dtype: type = np.float64, images: int = N
) -> tuple[Array, ...]:
    """A state, its error, what arrives at the rectified state from two sides, then for each pool y, and of each edge
    g, A, B, E."""
    x, *errors = (draw(k, images, 1, C, *size).astype(dtype) for k in range(4))
    given = [x, *errors]
    for k, (_, forward) in enumerate(pools_of(x, window)):
        y = forward(x)
        given.append(y)
        for i in range(EDGES[k]):
            given += [draw(10 * k + i, *y.shape).astype(dtype), *draw(50 + 10 * k + i, 3, 1, C).astype(dtype)]
    return tuple(given)


def edges_of(window: Window, x: Array, given: list[Array]) -> list[Pooled]:
    found = []
    for k, (way, _) in enumerate(pools_of(x, window)):
        y, parts = given[0], given[1 : 1 + 4 * EDGES[k]]
        given = given[1 + 4 * EDGES[k] :]
        ups = [Upstream(g, y, A, B, E) for g, A, B, E in zip(*(parts[j::4] for j in range(4)), strict=True)]
        found.append(Pooled(y, ups, way))
    return found


def collected(window: Window, x: Array, error: Array, first: Array, second: Array, *given: Array) -> Array:
    total = error.copy()
    readings.collect(total, np.maximum(x, 0), [first, second], edges_of(window, x, list(given)))
    return total


@pytest.mark.parametrize("window", WINDOWS)
def test_it_is_the_gradient_of_what_the_edges_read(window: Window) -> None:
    """Of ⟨e, x⟩ + ⟨e₁ + e₂, max(x, 0)⟩ + Σ ⟨δ_k, pool_k(x)⟩, the δ held; piecewise linear, so differences are exact."""
    x, error, first, second, *given = problem((5, 4), window)
    deltas = [sum(up.A[:, :, None, None] * up.g + up.B[:, :, None, None] * y + up.E[:, :, None, None] for up in ups)
        for y, ups, _ in edges_of(window, x, given)]  # fmt: skip
    forwards = [forward for _, forward in pools_of(x, window)]

    def read(z: Array) -> float:
        total = (error * z).sum() + ((first + second) * np.maximum(z, 0)).sum()
        return float(total + sum((d * f(z)).sum() for d, f in zip(deltas, forwards, strict=True)))

    found, step = collected(window, x, error, first, second, *given), 1e-6
    for place in np.ndindex(x.shape):
        there = np.zeros_like(x)
        there[place] = step
        assert (read(x + there) - read(x - there)) / (2 * step) == pytest.approx(found[place], abs=1e-7)


@needs_numba
@pytest.mark.parametrize("size", [(6, 7), (33, 18)])
@pytest.mark.parametrize("window", WINDOWS)
def test_the_twin(window: Window, size: tuple[int, int]) -> None:
    scratch(1 << 18)[:] = np.nan  # what it holds is arbitrary
    check_twin(lambda *given: collected(window, *given), *problem(size, window))


def test_nobody_reads_the_rectified_state() -> None:
    for dtype in (np.float64, np.float32):
        error = draw(1, N, 1, C, 5, 5).astype(dtype)
        total = error.copy()
        readings.collect(total, None, [error, error], [])
        assert np.array_equal(total, error)


@needs_numba
def test_the_twin_gives_the_same_bits_on_any_number_of_threads() -> None:
    given, found = problem((32, 32), WINDOWS[0], np.float32, images=64), []
    try:
        for count in (1, 2, 3):
            threads.set_threads(count)
            found.append(collected(WINDOWS[0], *given))
    finally:
        threads.set_threads(None)
    assert all(np.array_equal(each, found[0]) for each in found[1:])
    assert distance(found[0], collected(WINDOWS[0], *(a.astype(np.float64) for a in given))) < 1e-6


@needs_numba
def test_what_does_not_fit_is_refused() -> None:
    x, error, first, second, *_ = problem((6, 6), WINDOWS[0], np.float32)
    with pytest.raises(ValueError, match="not contiguous"):
        readings.collect(error[..., ::2], x[..., ::2], [first[..., ::2]], [])
    with pytest.raises(ValueError, match=r"the error is \(3, 1, 4, 6, 6\), arrived are"):
        readings.collect(error, x, [first, second[..., :3]], [])
