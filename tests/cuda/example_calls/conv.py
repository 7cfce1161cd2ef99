"""Convolutions: dense, grouped, depthwise and with a multiplier; strides, dilations, lanes of their own or shared."""

from collections.abc import Iterator

from bionas_cupy.engine.kernels.conv import Geometry

from . import LANES_AND_WIDTHS, Call, draw

CASES = (  # geometry, channels in and out, size, lanes, lanes of x
    (Geometry(3, 1, 1), 5, 3, (9, 7), 2, 2),
    (Geometry(3, 2, 1), 4, 8, (8, 11), 3, 1),
    (Geometry(1, 2, 0), 6, 5, (7, 9), 2, 2),
    (Geometry(2, 1, 0), 3, 4, (4, 5), 1, 1),
    (Geometry(3, 1, 1, 1, 2), 6, 4, (5, 6), 2, 2),
    (Geometry(3, 1, 1, 1, 4), 4, 4, (9, 11), 3, 3),
    (Geometry(5, 2, 2, 1, 4), 4, 4, (9, 7), 3, 1),
    (Geometry(3, 2, 2, 2, 3), 3, 3, (11, 8), 2, 1),
    (Geometry(5, 1, 4, 2, 3), 3, 3, (6, 17), 1, 1),
    (Geometry(3, 1, 1, 1, 3), 3, 6, (5, 7), 2, 2),
    (Geometry(3, 1, 1), 2, 3, (17, 19), 1, 1),  # enough outputs for sums in slabs
    *((Geometry(3, 1 + R % 2, 1), C, C, (5, 3), R, 1) for R, C in LANES_AND_WIDTHS),
    *((Geometry(1, 1 + R % 2, 0), C, C // 2, (3, 5), R, R) for R, C in LANES_AND_WIDTHS),
    *((Geometry(5, 1 + R % 2, 2, 1, C), C, C, (5, 3), R, R) for R, C in LANES_AND_WIDTHS),
)


def calls() -> Iterator[Call]:
    for g, C, K, size, R, L in CASES:
        x, M = draw(1, 3, L, C, *size), draw(2, R, K, C // g.groups, g.kernel, g.kernel)
        delta = draw(3, 3, R, K, g.out_size(size[0]), g.out_size(size[1]))
        yield "push", x, M, g
        yield "pull", delta, M, g, size, L < R
        yield "outer", delta, x, g
