"""Fused halves: lanes that share x or have their own (then with a norm), strides, dilations, channels past a tile."""

from collections.abc import Iterator

from bionas_cupy.engine.kernels.conv import Geometry
from bionas_cupy.engine.kernels.half import Norm, Upstream

from . import LANES_AND_WIDTHS, Call, draw

CASES = (  # images, lanes of x, lanes, channels, outputs, size, kernel, stride, dilation, lanes of g, norm
    (3, 1, 2, 5, 7, (8, 11), 5, 1, 1, 1, False),
    (2, 3, 3, 6, 4, (7, 9), 3, 2, 1, 3, True),
    (2, 1, 6, 3, 5, (5, 6), 3, 1, 2, 1, False),
    (2, 4, 4, 4, 4, (9, 7), 5, 2, 2, 1, True),
    (1, 1, 1, 67, 66, (3, 5), 3, 1, 1, 1, True),
    (2, 2, 2, 3, 2, (17, 18), 3, 2, 1, 2, False),
    (9, 1, 1, 2, 3, (8, 8), 1, 1, 1, 1, False),
    *((1, 1, R, C, C, (5, 3), 3, 1 + R % 2, 1 + R % 2, 1, False) for R, C in LANES_AND_WIDTHS),
    *((1, R, R, C, C, (3, 5), 5, 1, 1, R, True) for R, C in LANES_AND_WIDTHS),
)


def calls() -> Iterator[Call]:
    for N, L, R, C, K, size, k, stride, dilation, U, normed in CASES:
        g = Geometry(k, stride, dilation * (k - 1) // 2, dilation, C)
        x, into, above = draw(1, N, L, C, *size), draw(2, N, L, C, *size), (g.out_size(n) for n in size)
        D, Db, P, Pb = (draw(3 + i, R, C, 1, k, k) if i < 2 else draw(3 + i, R, K, C, 1, 1) for i in range(4))
        norm = Norm(draw(7, R, C), draw(8, R, C), draw(9, R, C)) if normed else None
        y = draw(10, N, R, K, *above)
        up = Upstream(draw(11, N, U, K, *y.shape[3:]), y, *(draw(12 + i, R, K) for i in range(3)))
        yield "forward", x, D, P, g, norm
        yield "backward", up, x, D, Db, Pb, g, norm, None if normed else into
        yield "backward", up, x, D, Db, Pb, g, norm, None if normed else into, False
