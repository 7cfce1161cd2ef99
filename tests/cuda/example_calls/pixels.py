"""Every other pixel: even and odd sizes, one lane and three, planes of one strip and of two."""

from collections.abc import Iterator

from . import Call, draw


def calls() -> Iterator[Call]:
    for N, R, C, H, W in ((3, 1, 5, 7, 3), (2, 3, 2, 34, 37), (1, 1, 3, 6, 8), (1, 1, 1, 1, 1)):
        h, w = (H + 1) // 2, (W + 1) // 2
        yield "apart", draw(1, N, R, C, H, W)
        yield "together", draw(2, N, R, C, h, w), draw(3, N, R, C, h, w), (H, W)
