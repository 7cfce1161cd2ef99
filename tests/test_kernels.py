"""What kernels have in common: threads, strides, refusals, imports; moments, mixtures, residual ends."""

import subprocess
import sys
from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest
from bionas_cupy.engine.kernels import (
    arrays,
    channel,
    conv,
    mix,
    pool,
    residual,
    threads,
)
from bionas_cupy.engine.kernels.conv import Geometry
from kernel_cases import Array, distance, draw, needs_numba, problem
from test_conv_kernels import check_twin


@pytest.fixture(autouse=True)
def machine_threads() -> Iterator[None]:
    yield
    threads.set_threads(None)


def everything(seed: int) -> list[Array]:
    """The results of every twin on arrays of several chunks."""
    x, M = (a.astype(np.float32) for a in (draw(seed, 64, 2, 8, 20, 20), draw(seed, 2, 8, 1, 3, 3)))
    dense, g, depthwise = (
        draw(seed, 2, 8, 8, 3, 3).astype(np.float32),
        Geometry(3, 1, 1),
        Geometry(3, 1, 1, 1, 8),
    )
    y, where = pool.max_pool(x, 3, 1, 1)
    out = np.zeros((64, 8, 20, 20), np.float32)
    mix.mix(x, M[:, :, 0, 0, 0], out)
    a = np.ascontiguousarray(M[:, :, 0, 0, 0])
    return [
        *(conv.push(x, w, geometry) for w, geometry in ((M, depthwise), (dense, g))),
        *(conv.pull(x, w, geometry, (20, 20)) for w, geometry in ((M, depthwise), (dense, g))),
        *(conv.outer(y, x, geometry) for geometry in (depthwise, g)),
        *channel.moments(x),
        *channel.grad_sums(y, x, a),
        *(y, where, out, pool.max_pool_pull(y, where, 3, 1, 1, (20, 20)), pool.avg_pool(x, 3, 1, 1)),
        *(channel.affine(x, a, a, relu=True), channel.combine(y, x, a, a, a), channel.relu_grad(x, y)),
        *(residual.join(x, a, a, y), *residual.gate(x, y, x, a)),
    ]


@needs_numba
def test_the_number_of_threads_changes_no_bit() -> None:
    threads.set_threads(1)
    alone = everything(5)
    for count in (2, 3):
        threads.set_threads(count)
        assert all(np.array_equal(a, b) for a, b in zip(alone, everything(5), strict=True))


def test_chunks_cover_the_batch_in_whole_steps() -> None:
    for count, cost, step in product((1, 7, 64, 1000), (1.0, 1e5, 1e7), (1, 4, 14)):
        borders = threads.chunks(count, cost, step)
        assert [first for first, _ in borders[1:]] == [last for _, last in borders[:-1]]
        assert (borders[0][0], borders[-1][1]) == (0, count)
        assert all((last - first) % step == 0 for first, last in borders[:-1])
        assert len(borders) <= threads.MOST_CHUNKS


def test_two_threads_have_the_same_to_do() -> None:
    for count, step in ((64, 1), (64, 2), (96, 1), (1000, 14)):
        sizes = [last - first for first, last in threads.chunks(count, 1e5, step)]
        assert len(sizes) % 2 == 0
        assert max(sizes) - min(sizes[:-1]) <= step


def test_an_error_in_a_chunk_is_raised() -> None:
    threads.set_threads(2)
    with pytest.raises(ZeroDivisionError):
        threads.run(lambda first, last, index: 1 // (3 - index), [(i, i + 1) for i in range(8)])


def test_channel_references() -> None:
    x, a, b, d = draw(1, 4, 3, 5, 6, 7) + 100, draw(2, 3, 5), draw(3, 3, 5), draw(4, 3, 5)
    mean, variance = channel.moments(x)
    assert distance(mean, x.mean((0, 3, 4))) < 1e-12
    assert distance(variance, x.var((0, 3, 4))) < 1e-10
    wide = [v[:, :, None, None] for v in (a, b, d)]
    assert distance(channel.affine(x, a, b), wide[0] * x + wide[1]) < 1e-12
    assert (
        distance(channel.affine(x - 100, a, b, relu=True), np.maximum(wide[0] * (x - 100) + wide[1], 0))
        < 1e-12
    )
    for lanes in (1, 3):
        g = draw(5, 4, lanes, 5, 6, 7)
        total, paired = channel.grad_sums(g, x, mean)
        everywhere = np.broadcast_to(g, x.shape)
        assert distance(total, everywhere.sum((0, 3, 4))) < 1e-10
        assert distance(paired, (g * (x - mean[:, :, None, None])).sum((0, 3, 4))) < 1e-10
        assert distance(channel.combine(g, x, a, b, d), wide[0] * g + wide[1] * x + wide[2]) < 1e-12
    assert np.array_equal(channel.relu_grad(x, x - 100), x * (x > 100))


def test_float32_moments_survive_a_large_mean() -> None:
    x = (draw(1, 8, 1, 2, 16, 16) + 3000).astype(np.float32)
    truth = x.astype(np.float64).var((0, 3, 4))
    with arrays.reference_only():
        assert distance(channel.moments(x)[1], truth) < 1e-6
    assert distance(channel.moments(x)[1], truth) < 1e-6


def add_mixed(y: Array, scale: Array, out: Array) -> Array:
    out = out.copy()
    mix.mix(y, scale, out)
    return out


def test_mix_adds_the_weighted_lanes() -> None:
    y, scale, out = draw(1, 4, 3, 5, 6, 7), draw(2, 3, 5), draw(3, 4, 5, 6, 7)
    assert distance(add_mixed(y, scale, out), out + np.einsum("rc,nrchw->nchw", scale, y)) < 1e-12


@needs_numba
@pytest.mark.parametrize("size", [(6, 7), (32, 32), (40, 33)])
@pytest.mark.parametrize("lanes", [1, 3])
def test_channel_and_mix_twins(size: tuple[int, int], lanes: int) -> None:
    x, g = draw(1, 9, 3, 5, *size) + 3, draw(2, 9, lanes, 5, *size)
    a, b, d = draw(3, 3, 5), draw(4, 3, 5), draw(5, 3, 5)
    check_twin(channel.moments, x)
    check_twin(channel.affine, x, a, b)
    check_twin(channel.affine, x, a, b, True)
    check_twin(channel.grad_sums, g, x, a)
    check_twin(channel.combine, g, x, a, b, d)
    check_twin(channel.relu_grad, x, x - 3)
    check_twin(add_mixed, x, a, x[:, 0].copy())


def added(out: Array, g: Array) -> Array:
    out = out.copy()
    residual.add(out, g)
    return out


def test_residual_references() -> None:
    x, s, y = draw(1, 4, 2, 5, 6, 7), draw(2, 4, 2, 5, 6, 7), draw(3, 4, 2, 5, 6, 7)
    a, b, g = draw(4, 2, 5), draw(5, 2, 5), draw(6, 4, 2, 5, 6, 7)
    wide = [v[None, :, :, None, None] for v in (a, b)]
    assert distance(residual.join(x, a, b, s), np.maximum(wide[0] * x + wide[1] + s, 0)) < 1e-12
    gated, total, paired = residual.gate(g, y, x, a)
    assert np.array_equal(gated, g * (y > 0))
    assert distance(total, gated.sum((0, 3, 4))) < 1e-12
    assert distance(paired, (gated * (x - wide[0])).sum((0, 3, 4))) < 1e-12
    assert np.array_equal(added(x, g), x + g)


@needs_numba
@pytest.mark.parametrize("size", [(6, 7), (32, 32)])
def test_residual_twins(size: tuple[int, int]) -> None:
    x, s, y, g = (draw(seed, 9, 2, 5, *size) for seed in range(4))
    a, b = draw(4, 2, 5), draw(5, 2, 5)
    check_twin(residual.join, x, a, b, s)
    check_twin(residual.gate, g, y, x, a)
    check_twin(added, x, g)


@needs_numba
def test_twins_take_any_strides() -> None:
    g = Geometry(3, 1, 1)
    x, M, _ = (a.astype(np.float32) for a in problem(g, (4, 8, 1), (9, 7), 2))
    assert np.array_equal(conv.push(x[:, ::-1], M, g), conv.push(x[:, ::-1].copy(), M, g))
    out = np.zeros((7, 9, 4, 3), np.float32).T  # (3, 4, 9, 7)
    mix.mix(x, M[:, :4, 0, 0, 0], out)
    assert distance(out, np.einsum("rc,nrchw->nchw", M[:, :4, 0, 0, 0], x)) < 1e-5


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_shapes_that_do_not_fit_are_refused(dtype: Any) -> None:
    g = Geometry(3, 1, 1)
    x, M, delta = (a.astype(dtype) for a in problem(g, (4, 8, 1), (9, 7), 2))
    for call in (
        lambda: conv.push(x[:, :, :3], M, g),
        lambda: conv.push(np.concatenate([x, x], 1), M, g),
        lambda: conv.push(x, M, Geometry(5, 1, 1)),
        lambda: conv.push(x, M, Geometry(3, 1, 0, 8)),
        lambda: conv.pull(delta, M, g, (9, 8)),
        lambda: conv.outer(delta[:2], x, g),
        lambda: channel.affine(x, M[:, :3, 0, 0, 0], M[:, :3, 0, 0, 0]),
        lambda: channel.grad_sums(x[:2], x, M[:, :4, 0, 0, 0]),
        lambda: channel.relu_grad(x, x[:, :, :3]),
        lambda: mix.mix(x, M[:, :4, 0, 0, 0], x[:, 0, :3].copy()),
        lambda: residual.join(x, M[:, :4, 0, 0, 0], M[:, :4, 0, 0, 0], x[:2]),
        lambda: residual.gate(x, x[:2], x, M[:, :4, 0, 0, 0]),
        lambda: residual.add(x, x[:2]),
        lambda: pool.max_pool_pull(x, np.zeros(x.shape, np.uint8), 3, 2, 1, (9, 7)),
        lambda: pool.avg_pool_pull(x, 3, 2, 1, (9, 7)),
    ):
        with pytest.raises(ValueError):  # noqa: PT011
            call()


def test_nan_passes_the_rectifier() -> None:
    x = np.full((1, 1, 1, 2, 2), np.nan, np.float32)
    one = np.ones((1, 1), np.float32)
    assert np.isnan(channel.affine(x, one, one, relu=True)).all()


def test_importing_kernels_imports_neither_numba_nor_cupy() -> None:
    names = ", ".join(
        f"bionas_cupy.engine.kernels.{n}" for n in ("conv", "channel", "mix", "pool", "threads")
    )
    code = f"import sys, {names}; assert not {{'numba', 'cupy'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
