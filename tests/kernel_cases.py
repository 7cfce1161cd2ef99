"""Problems for kernels, and how far a result may be from its reference."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest
from bionas_cupy.engine.kernels import (
    arrays,
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
