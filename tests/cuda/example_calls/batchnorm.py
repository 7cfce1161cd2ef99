"""Maps and gradients of norms and mixtures: fewer and more channels than threads, with and without each part."""

from collections.abc import Iterator

import numpy as np
from bionas_cupy.engine.kernels.batchnorm import Pair

from . import LANES_AND_WIDTHS, Call, draw


def calls() -> Iterator[Call]:
    for R, C in ((1, 1), (2, 301), *LANES_AND_WIDTHS):
        mean, S0, S1, gamma, beta = draw(1, 5, R, C)
        variance, q, t = draw(2, R, C) ** 2, draw(3, R), draw(4, C)
        yield "forward", mean, variance
        yield "forward", mean, variance, Pair(gamma, beta)
        yield "forward", mean, variance, Pair(gamma, beta), Pair(draw(5, R, C), draw(6, R, C)), 7
        yield "weigh", mean, variance, q, t
        rstd = 1 / np.sqrt(variance + 1e-5)
        for scale in (None, gamma, q[:, None]):
            yield "backward", mean, rstd, S0, S1, scale, 7
        yield "backward", mean, rstd, S0, S1, gamma, 7, Pair(draw(7, R, C), draw(8, R, C))
        yield "backward", mean, rstd, S0, S1, q[:, None], 7, None, np.zeros(R)
