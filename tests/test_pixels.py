"""Every other pixel of images: against loops, and the transpose against the map."""

import numpy as np
import pytest
from bionas_cupy.engine.kernels import pixels
from kernel_cases import draw

SIZES = [(1, 1), (2, 3), (7, 6), (8, 8), (5, 9)]


@pytest.mark.parametrize("size", SIZES)
def test_apart_against_loops(size: tuple[int, int]) -> None:
    x, (H, W) = draw(1, 2, 3, 2, *size), size
    even, odd = pixels.apart(x)
    assert even.shape == odd.shape == (2, 3, 2, (H + 1) // 2, (W + 1) // 2)
    for i in range(even.shape[3]):
        for j in range(even.shape[4]):
            assert np.array_equal(even[..., i, j], x[..., 2 * i, 2 * j])
            there = 2 * i + 1 < H and 2 * j + 1 < W
            assert np.array_equal(
                odd[..., i, j], x[..., 2 * i + 1, 2 * j + 1] if there else 0 * even[..., i, j]
            )


@pytest.mark.parametrize("size", SIZES)
def test_together_is_the_transpose(size: tuple[int, int]) -> None:
    x = draw(1, 2, 3, 2, *size)
    even, odd = pixels.apart(x)
    a, b = draw(2, *even.shape), draw(3, *odd.shape)
    assert np.isclose(np.vdot(even, a) + np.vdot(odd, b), np.vdot(x, pixels.together(a, b, size)), rtol=1e-13)


def test_what_does_not_fit_is_refused() -> None:
    even = draw(1, 2, 1, 2, 3, 3)
    with pytest.raises(ValueError, match="expected"):
        pixels.together(even, even, (7, 6))
    with pytest.raises(ValueError, match="expected"):
        pixels.together(even, even[:1], (6, 6))
