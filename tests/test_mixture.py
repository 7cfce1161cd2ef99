"""What the candidates of an edge do together, against sums written out, and the compiled twin against the reference."""

import numpy as np
import pytest
from bionas_cupy.engine.kernels import mixture, threads
from kernel_cases import Array, distance, draw, needs_numba
from test_conv_kernels import check_twin

N, C, SIZE = 5, 3, (6, 7)
LANES = {"one": [1], "mixed": [4, 1, 4, 1], "more than a pass holds": [1, 2, 1, 1, 3, 1, 1, 1, 2, 1, 1]}


def maps(lanes: list[int], size: tuple[int, int] = SIZE) -> list[Array]:
    return [draw(10 + k, N, R, C, *size) for k, R in enumerate(lanes)]


def of_lanes(lanes: list[int]) -> list[Array]:
    return [draw(40 + k, R, C) for k, R in enumerate(lanes)]


def added(out: Array, shift: Array, *given: Array) -> Array:
    """given: maps, then as many scales."""
    out, half = out.copy(), len(given) // 2
    mixture.add(out, given[:half], given[half:], shift)
    return out


def summed(g: Array, *given: Array) -> tuple[Array, ...]:
    half = len(given) // 2
    return tuple(total for pair in mixture.sums(g, given[:half], given[half:]) for total in pair)


@pytest.mark.parametrize("name", LANES)
def test_they_are_the_sums_of_the_equations(name: str) -> None:
    ys, scales, out, shift = maps(LANES[name]), of_lanes(LANES[name]), draw(1, N, C, *SIZE), draw(2, C)
    expected = out + shift[:, None, None]
    for y, s in zip(ys, scales, strict=True):
        expected = expected + np.einsum("rc,nrchw->nchw", s, y)
    assert distance(added(out, shift, *ys, *scales), expected) < 1e-12
    g = draw(3, N, 1, C, *SIZE)
    found = iter(summed(g, *ys, *scales))
    for y, mean in zip(ys, scales, strict=True):
        assert distance(next(found), np.broadcast_to(g.sum((0, 3, 4)), mean.shape)) < 1e-12
        assert distance(next(found), (g * (y - mean[:, :, None, None])).sum((0, 3, 4))) < 1e-11


@needs_numba
@pytest.mark.parametrize("size", [(6, 7), (40, 33)])
@pytest.mark.parametrize("name", LANES)
def test_the_twin(name: str, size: tuple[int, int]) -> None:
    ys, per_lane, g = maps(LANES[name], size), of_lanes(LANES[name]), draw(3, N, 1, C, *size)
    check_twin(added, draw(1, N, C, *size), draw(2, C), *ys, *per_lane)
    check_twin(summed, g, *ys, *per_lane)


@needs_numba
def test_the_twin_gives_the_same_bits_on_any_number_of_threads_and_takes_one_column_for_all_channels() -> (
    None
):
    ys = [draw(k, 64, 2, 8, 20, 20).astype(np.float32) for k in range(3)]
    g, scales = ys[0][:, :1].copy(), [draw(k, 2, 1).astype(np.float32) for k in range(3)]
    shift, found = draw(9, 8).astype(np.float32), []
    try:
        for count in (1, 2, 3):
            threads.set_threads(count)
            out = np.zeros((64, 8, 20, 20), np.float32)
            mixture.add(out, ys, scales, shift)
            sums = summed(g, *ys, *[np.zeros((2, 8), np.float32)] * 3)
            found.append([out, *sums])
    finally:
        threads.set_threads(None)
    assert all(np.array_equal(a, b) for others in found[1:] for a, b in zip(others, found[0], strict=True))
    assert distance(found[0][0], shift[:, None, None] + sum(np.einsum("rx,nrchw->nchw", s, y) for s, y in
        zip(scales, ys, strict=True))) < 1e-5  # fmt: skip


@needs_numba
def test_what_does_not_fit_is_refused() -> None:
    y, g = np.ones((2, 1, 3, 4, 4), np.float32), np.ones((2, 1, 3, 4, 4), np.float32)
    scale, shift = np.ones((1, 3), np.float32), np.zeros(3, np.float32)
    with pytest.raises(ValueError, match=r"a map is \(2, 1, 3, 2, 4\), the others"):
        mixture.add(g[:, 0].copy(), [y[..., :2, :].copy()], [scale], shift)
    with pytest.raises(ValueError, match="a map is"):
        mixture.sums(g, [y[:1]], [scale])
    with pytest.raises(ValueError, match="not contiguous"):
        mixture.add(np.ones((2, 3, 4, 8), np.float32)[..., ::2], [y], [scale], shift)
