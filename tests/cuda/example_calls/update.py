"""Updates: one weight, and more than a block of them; rates as numbers and from memory; clipped and not."""

from collections.abc import Iterator

import numpy as np

from . import Call, draw


def calls() -> Iterator[Call]:
    for size in (1, 701, 2500):
        w, m, v, g = draw(1, size), draw(2, size), draw(3, size) ** 2, draw(4, size)
        for limit in (0.0, 0.5, 1e9):
            yield "clip", g, limit
            yield "clip", np.where(np.arange(size) == size // 2, np.inf, g), limit
        yield "sgd", w, m, g, 0.1, 0.9, 3e-4, True
        yield "sgd", w, m, g, np.array(0.1), 0.9, 0.0, False
        yield "adam", w, m, v, np.array(3), g, np.array(0.01), (0.5, 0.999), 1e-3, 1e-8
        yield "adam", w, m, v, np.array(1000), g, 0.01, (0.9, 0.999), 0.0, 1e-8
