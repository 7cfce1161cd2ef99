"""The CPU twin of association.py: sums over patches image by image, while these are in the cache."""

import numpy as np

from . import association, conv_cpu, narrow_cpu
from .arrays import Array, own
from .conv import Geometry, check
from .jit import jit
from .product_cpu import product
from .ways_cpu import summed

SILENT = np.float32(association.SILENT)
ZERO = np.float32(0)


def rows(y: Array, x: Array, a: float) -> Array:
    """As association.rows."""
    weighted = np.empty(x.shape, x.dtype)
    _weighted(own(y), own(x), np.float32(a), weighted)
    return product(y.T, weighted)


def patches(y: Array, x: Array, W: Array, g: Geometry, a: float) -> Array:
    """As association.patches; by way of S where that is less."""
    check((len(x), 1, *x.shape[1:]), (1, *W.shape), (len(y), 1, *y.shape[1:]), g)
    if not _by_way_of_inputs(y, x, W, g):
        direct: Array = conv_cpu.outer(association.weighted(y, x, W, g, a)[:, None], x[:, None], g)[0]
        return direct
    way = narrow_cpu.weighted_gram(len(W), W.shape[1], g, x.shape[2:])
    S = summed(way, own(y), own(x))
    return product(W.reshape(len(W), -1), np.float32(a) * S).reshape(W.shape)


def _by_way_of_inputs(y: Array, x: Array, W: Array, g: Geometry) -> bool:
    units, D, places = len(W), W[0].size, y[:, 0].size
    return places * D // 2 + units * D < places * units and narrow_cpu.suits((1, *W.shape), g, x.shape[2:])


@jit
def _weighted(y: Array, x: Array, a: np.float32, out: Array) -> None:
    """x of unit length, by a/‖y‖."""
    for n in range(len(x)):
        yy, xx = ZERO, ZERO
        for i in range(y.shape[1]):
            yy += y[n, i] * y[n, i]
        for i in range(x.shape[1]):
            xx += x[n, i] * x[n, i]
        length = np.sqrt(yy) * np.sqrt(xx)
        w = a / length if length > SILENT else ZERO
        for i in range(x.shape[1]):
            out[n, i] = x[n, i] * w
