"""Feedback weights of W with zeros, one weight and more than a block of them; 1, 2 and 128 levels."""

from collections.abc import Iterator

import numpy as np

from . import Call, draw


def calls() -> Iterator[Call]:
    for shape in ((5, 3, 3), (1,), (2, 701)):
        W = draw(1, *shape) * (np.abs(draw(2, *shape)) > 0.1)
        yield "signs", W, 0.07
        yield "random_signs", W, draw(3, *shape)
        for levels in (1, 2, 128):
            yield "quantised", W, 0.07, levels
    yield "quantised", np.zeros((3, 5)), 0.07, 4
