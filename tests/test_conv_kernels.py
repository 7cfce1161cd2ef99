"""Convolutions: the reference against a plain loop, the compiled twins against the reference."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from bionas_cupy.engine.kernels import (
    arrays,
    conv,
    product_cpu,
    unfolded_cpu,
)
from bionas_cupy.engine.kernels.conv import Geometry
from kernel_cases import CHANNELS, Array, cases, distance, draw, needs_numba, problem


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
