"""Pools: windows that overlap, reach into the padding, or leave a remainder; ties in the maxima."""

from collections.abc import Iterator

import numpy as np
from bionas_cupy.engine.kernels import pool
from bionas_cupy.engine.kernels.conv import Geometry

from . import Call, draw


def calls() -> Iterator[Call]:
    for (k, s, p), size in (
        ((3, 1, 1), (9, 7)),
        ((3, 2, 1), (8, 11)),
        ((2, 2, 0), (5, 7)),
        ((5, 3, 2), (17, 19)),
    ):
        g = Geometry(k, s, p)
        x = np.round(draw(1, 2, 3, 5, *size), 1)
        delta = draw(2, 2, 3, 5, g.out_size(size[0]), g.out_size(size[1]))
        where = pool.max_pool(x, k, s, p)[1]
        yield "max_pool", x, k, s, p
        yield "max_pool", np.where(x > 1, np.nan, np.where(x > -0.5, -np.inf, x)), k, s, p
        yield "max_pool_pull", delta, where, k, s, p, size
        yield "max_pool_push", draw(3, *x.shape), where, k, s, p
        yield "avg_pool", x, k, s, p
        yield "avg_pool_pull", delta, k, s, p, size
