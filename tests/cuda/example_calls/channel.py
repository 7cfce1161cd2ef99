"""Batch normalisation's sums and affine maps: three lanes or one, planes smaller and larger than a block."""

from collections.abc import Iterator

from . import LANES_AND_WIDTHS, Call, draw


def calls() -> Iterator[Call]:
    wide = ((2, R, C, 3, 1) for R, C in LANES_AND_WIDTHS)
    for shape in ((3, 2, 5, 7, 3), (2, 1, 3, 17, 19), (1, 3, 1, 1, 1), *wide):
        x, g, one_lane = draw(1, *shape) + 5, draw(2, *shape), draw(3, shape[0], 1, *shape[2:])
        a, b, d = draw(4, 3, *shape[1:3])
        yield "moments", x
        yield "affine", x, a, b, True
        yield "affine", x, a, b
        yield "grad_sums", g, x, a
        yield "grad_sums", one_lane, x, a
        yield "combine", g, x, a, b, d
        yield "combine", one_lane, x, a, b, d
        yield "relu_grad", g, draw(5, *shape)
