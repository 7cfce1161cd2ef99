"""Every kernel: its reference against plain loops in float64, its CPU twin against the reference."""

import subprocess
import sys
from collections.abc import Callable, Iterator
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
    product_cpu,
    residual,
    threads,
    unfolded_cpu,
)
from bionas_cupy.engine.kernels.conv import Geometry

Array = Any
CHANNELS = {  # (inputs, outputs, groups)
    "dense": (4, 8, 1),
    "odd": (5, 3, 1),
    "grouped": (6, 4, 2),
    "depthwise": (4, 4, 4),
    "multiplier": (3, 6, 3),
}
SIZES = ((9, 7), (5, 12), (16, 16), (33, 34))
WINDOWS = [  # kernel, stride, padding, dilation
    (k, s, p, d)
    for k, s, p, d in product((1, 3, 5, 7), (1, 2, 3), (0, 1, 2, 4), (1, 2))
    if (k * 7 + s * 5 + p * 3 + d) % 4 == 0  # a quarter, evenly spread
]
POOLS = [(2, 2, 0), (3, 1, 1), (3, 2, 1), (5, 3, 2), (4, 2, 1)]

needs_numba = pytest.mark.skipif(not arrays.has_numba(), reason="the CPU twins need the extra `cpu`")


@pytest.fixture(autouse=True)
def machine_threads() -> Iterator[None]:
    yield
    threads.set_threads(None)


def draw(seed: int, *shape: int) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


def distance(a: Array, b: Array) -> float:
    """The relative norm of the difference."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    assert a.shape == b.shape
    return float(np.linalg.norm((a - b).ravel()) / max(float(np.linalg.norm(b.ravel())), 1e-300))


def cases() -> Iterator[Any]:
    for index, ((name, channels), window) in enumerate(product(CHANNELS.items(), WINDOWS)):
        k, s, p, d = window
        size = SIZES[index % len(SIZES)]
        if min(size) + 2 * p > d * (k - 1):
            g = Geometry(k, s, p, d, channels[2])
            yield pytest.param(
                g, channels, size, 1 + index % 2, id=f"{name}-k{k}s{s}p{p}d{d}-{size[0]}x{size[1]}"
            )


def problem(
    g: Geometry, channels: tuple[int, int, int], size: tuple[int, int], lanes: int, N: int = 3
) -> Any:
    """x, M and δ in float64; `lanes` 1: two lanes share the input."""
    C, K, _ = channels
    x, M = draw(1, N, lanes, C, *size), draw(2, 2, K, C // g.groups, g.kernel, g.kernel)
    return x, M, draw(3, N, 2, K, g.out_size(size[0]), g.out_size(size[1]))


def naive_push(x: Array, M: Array, g: Geometry) -> Array:
    """The sum as it stands in the docstring, output by output."""
    (N, _, _, H, W), (R, K, c, k, _) = x.shape, M.shape
    y = np.zeros((N, R, K, g.out_size(H), g.out_size(W)))
    for r, o, i, j, a, b in np.ndindex(R, K, *y.shape[3:], k, k):
        row, col = i * g.stride + a * g.dilation - g.padding, j * g.stride + b * g.dilation - g.padding
        if 0 <= row < H and 0 <= col < W:
            first = o // (K // g.groups) * c
            y[:, r, o, i, j] += x[:, r % x.shape[1], first : first + c, row, col] @ M[r, o, :, a, b]
    return y


@pytest.mark.parametrize(("g", "channels", "size", "lanes"), [c for c in cases() if "9x7" in str(c.id)][::2])
def test_push_is_the_sum(g: Geometry, channels: Any, size: Any, lanes: int) -> None:
    x, M, _ = problem(g, channels, size, lanes, N=2)
    assert distance(conv.push(x, M, g), naive_push(x, M, g)) < 1e-10


@pytest.mark.parametrize(("g", "channels", "size", "lanes"), list(cases()))
def test_pull_is_the_transpose_and_outer_the_gradient(
    g: Geometry, channels: Any, size: Any, lanes: int
) -> None:
    x, M, delta = problem(g, channels, size, lanes)
    paired = float((delta * conv.push(x, M, g)).sum())  # ⟨δ, M x⟩ = ⟨Mᵀ δ, x⟩ = ⟨outer(δ, x), M⟩
    back = conv.pull(delta, M, g, size, shared=lanes == 1)
    assert float((back * x).sum()) == pytest.approx(paired, rel=1e-9, abs=1e-9)
    assert float((conv.outer(delta, x, g) * M).sum()) == pytest.approx(paired, rel=1e-9, abs=1e-9)


def test_pull_without_sharing_keeps_the_lanes() -> None:
    g = Geometry(3, 2, 1)
    _, M, delta = problem(g, (4, 8, 1), (9, 7), 2)
    lanes = conv.pull(delta, M, g, (9, 7))
    assert distance(lanes.sum(1, keepdims=True), conv.pull(delta, M, g, (9, 7), shared=True)) < 1e-12


def check_twin(kernel: Callable[..., Any], *args: Any) -> None:
    """float32: within 1e-5 of float64, and not three times as far from it as the reference in float32."""
    single = [
        a.astype(np.float32) if isinstance(a, np.ndarray) and a.dtype == np.float64 else a for a in args
    ]
    double = [
        a.astype(np.float64) if isinstance(a, np.ndarray) and a.dtype == np.float32 else a for a in single
    ]
    with arrays.reference_only():
        exact, reference = (kernel(*given) for given in (double, single))
    twin = kernel(*single)
    results = zip(*(r if isinstance(r, tuple) else (r,) for r in (twin, reference, exact)), strict=True)
    for ours, theirs, truth in results:
        assert ours.dtype == theirs.dtype
        assert ours.flags.c_contiguous
        assert distance(ours, truth) < 1e-5
        assert distance(ours, truth) <= 3 * distance(theirs, truth) + 1e-7


@needs_numba
@pytest.mark.parametrize(("g", "channels", "size", "lanes"), list(cases()))
def test_convolution_twins(g: Geometry, channels: Any, size: Any, lanes: int) -> None:
    x, M, delta = problem(g, channels, size, lanes)
    check_twin(conv.push, x, M, g)
    check_twin(conv.pull, delta, M, g, size, lanes == 1)
    check_twin(conv.outer, delta, x, g)


@needs_numba
@pytest.mark.parametrize("g", [Geometry(3, 1, 1), Geometry(3, 2, 0, 2), Geometry(1)], ids=str)
def test_wide_convolutions_are_unfolded(g: Geometry, monkeypatch: pytest.MonkeyPatch) -> None:
    """In blocks of images, whose last one is smaller."""
    monkeypatch.setattr(unfolded_cpu, "WIDE", 1)
    monkeypatch.setattr(unfolded_cpu, "BLOCK", 1000)
    x, M, delta = draw(1, 5, 1, 6, 9, 7), draw(2, 1, 12, 6, g.kernel, g.kernel), None
    with arrays.reference_only():
        delta = draw(3, *conv.push(x, M, g).shape)
    asked = []
    monkeypatch.setattr(unfolded_cpu, "product", lambda a, b: asked.append(a) or product_cpu.product(a, b))
    check_twin(conv.push, x, M, g)
    check_twin(conv.outer, delta, x, g)
    assert len(asked) > 2


@needs_numba
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(4, 4), (2, 3), (8, 8)])
def test_dense_twins_of_small_images(size: tuple[int, int], stride: int) -> None:
    """Where an image is one vector, or a fraction of one."""
    g, channels = Geometry(3, stride, 1), (8, 4, 1)
    x, M, delta = problem(g, channels, size, 2, N=19)
    check_twin(conv.push, x, M, g)
    check_twin(conv.pull, delta, M, g, size, False)
    check_twin(conv.outer, delta, x, g)


FEWER = [  # channels, size, padding, lanes of the input, images
    ((8, 12, 1), (8, 8), 1, 2, 19),
    ((9, 8, 1), (9, 11), 1, 1, 3),
    ((16, 20, 2), (16, 13), 0, 2, 3),
    ((8, 8, 1), (33, 34), 2, 1, 2),
    ((24, 8, 1), (14, 14), 1, 2, 40),
]


@needs_numba
@pytest.mark.parametrize(("channels", "size", "padding", "lanes", "N"), FEWER)
def test_convolution_twins_by_fewer_products(
    channels: Any, size: Any, padding: int, lanes: int, N: int
) -> None:
    g = Geometry(3, 1, padding, 1, channels[2])
    assert winograd_serves(g, size, channels[0] // channels[2], channels[1] // channels[2])
    x, M, delta = problem(g, channels, size, lanes, N)
    check_twin(conv.push, x, M, g)
    check_twin(conv.pull, delta, M, g, size, lanes == 1)
    check_twin(conv.outer, delta, x, g)
    quiet, loud, n = x.astype(np.float32), x.astype(np.float32), N // 2
    loud[n] = 1e30  # images share planes
    one, other = (np.delete(conv.push(each, M.astype(np.float32), g), n, 0) for each in (quiet, loud))
    assert np.array_equal(one, other)


@needs_numba
def test_the_plain_sum_where_fewer_products_are_not_shorter() -> None:
    g = Geometry(3, 1, 1)
    assert winograd_serves(g, (8, 8), 8, 8)
    for other, size, channels in (
        (g, (5, 5), 8),  # blocks of four rows, half empty
        (g, (8, 8), 4),
        (Geometry(3, 2, 1), (8, 8), 8),
        (Geometry(3, 1, 2, 2), (8, 8), 8),
        (Geometry(5, 1, 2), (8, 8), 8),
        (Geometry(3, 1, 3), (8, 8), 8),
    ):
        assert not winograd_serves(other, size, channels, 8)


def winograd_serves(g: Geometry, size: tuple[int, int], inputs: int, outputs: int) -> bool:
    from bionas_cupy.engine.kernels import winograd_cpu

    return winograd_cpu.serves(g, size, inputs, outputs)


@needs_numba
@pytest.mark.parametrize("name", CHANNELS)
@pytest.mark.parametrize("stride", [1, 2])
def test_convolution_twins_keep_images_apart(name: str, stride: int) -> None:
    """Images share scratch memory: huge numbers in one must not change a bit of the others."""
    g = Geometry(3, stride, 1, groups=CHANNELS[name][2])
    x, M, delta = (a.astype(np.float32) for a in problem(g, CHANNELS[name], (8, 6), 2, N=70))
    loud_x, loud_delta = x.copy(), delta.copy()
    loud_x[[0, 20, 41]], loud_delta[[0, 20, 41]] = 1e30, 1e30
    quiet = np.setdiff1d(np.arange(70), [0, 20, 41])
    assert np.array_equal(conv.push(loud_x, M, g)[quiet], conv.push(x, M, g)[quiet])
    assert np.array_equal(conv.pull(loud_delta, M, g, (8, 6))[quiet], conv.pull(delta, M, g, (8, 6))[quiet])


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
