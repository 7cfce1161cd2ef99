"""A node's sum: one lane and several."""

from collections.abc import Iterator

from . import LANES_AND_WIDTHS, Call, draw


def calls() -> Iterator[Call]:
    wide = ((2, R, C, 3, 1) for R, C in LANES_AND_WIDTHS)
    for N, R, C, H, W in ((3, 4, 5, 7, 3), (2, 1, 3, 17, 19), *wide):
        yield "mix", draw(1, N, R, C, H, W), draw(2, R, C), draw(3, N, C, H, W)
