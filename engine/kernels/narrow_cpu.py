"""Sums over the patches of a convolution of few inputs, which are written out image by image, and stay in the cache:

    G[o, k] = Σ_n Σ_i δ[n, o, i] · X[k, i]          X[(c, t), i] = x[n, c, s·i + d·t − p],  k = (c, t)
    S[k, l] = Σ_n Σ_i X[k, i] · X[l, i] / (‖y‖ ‖x‖)     both lengths at i: those of y and of the patch

In dense_cpu.py channels come in fours, so that of three a quarter of the products are for nothing; here all rows of X
do together. S is symmetric: half of it is computed.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from .arrays import Array, Shape, Size
from .columns_cpu import Columns, Frame, fill, unfolded
from .conv import Geometry
from .jit import inlined, jit
from .products_cpu import BLOCK, multiply_transposed_images, whole
from .tiles_cpu import ROWS, WIDTH, dots
from .ways_cpu import Sum

FITS = 1 << 17  # floats of X: half of a core's second cache
PARTIALS = 1 << 19  # the most float64 partial sums
HERE = np.zeros(1, np.int64)
ZERO, SILENT = np.float32(0), np.float32(1e-30)  # as association.SILENT


def suits(M: Shape, g: Geometry, size: Size) -> bool:
    """Whether the patches of an image, M (R, O, C/groups, k, k), stay in the cache, and are all of one group."""
    places = g.out_size(size[0]) * g.out_size(size[1])
    return g.groups == 1 and M[0] == 1 and whole(M[2] * g.kernel**2, ROWS) * whole(places, WIDTH) <= FITS


def summer(M: tuple[int, int, int], g: Geometry, size: Size) -> Sum:
    """G (1, O, C, k, k) from x of this size."""
    _, K, C = M
    s, places = _layout(g, size)
    D = C * len(s.taps)

    def work(delta: Array, x: Array, sums: Array) -> None:
        delta, x = delta.reshape(len(delta), K, places), x.reshape(len(x), C, -1)
        _outer(delta, x, s.top, s.left, s.frame, s.length, sums[None])

    def finish(sums: Array) -> Array:
        return sums[:K, :D].astype(np.float32).reshape(1, K, C, g.kernel, g.kernel)

    return _sum(work, 2.0 * K * D * places, (whole(K, ROWS), whole(D, ROWS)), finish)


def weighted_gram(K: int, C: int, g: Geometry, size: Size) -> Sum:
    """S (D, D), D = C·k·k, from y in the place of δ."""
    s, places = _layout(g, size)
    D = C * len(s.taps)

    def work(y: Array, x: Array, sums: Array) -> None:
        y, x = y.reshape(len(y), K, places), x.reshape(len(x), C, -1)
        _gram(y, x, s.top, s.left, s.frame, s.length, sums)

    def finish(sums: Array) -> Array:
        upper = np.triu(sums[:D, :D])
        return (upper + np.triu(upper, 1).T).astype(np.float32)

    return _sum(work, 1.0 * D * D * places, (whole(D, ROWS), whole(D, ROWS)), finish)


def _sum(
    work: Callable[[Array, Array, Array], None], cost: float, shape: Size, finish: Callable[[Array], Array]
) -> Sum:
    return Sum(work, cost, 1, shape, max(2, min(32, PARTIALS // (shape[0] * shape[1]))), finish)


@lru_cache(maxsize=256)
def _layout(g: Geometry, size: Size) -> tuple[Columns, int]:
    """How X lies, and the positions of an image."""
    offsets = [g.dilation * a - g.padding for a in range(g.kernel)]
    out = g.out_size(size[0]), g.out_size(size[1])
    return unfolded(offsets, g.stride, size, out), out[0] * out[1]


@jit
def _outer(delta: Array, x: Array, top: Array, left: Array, frame: Frame, length: int, sums: Array) -> None:
    (N, K, P), (_, rows, cols) = delta.shape, sums.shape
    count = whole(P, WIDTH)
    direct = count == P and rows == K
    X = np.zeros((1, cols, count), np.float32)
    padded = np.zeros((1, 0 if direct else rows, count), np.float32)
    for n in range(N):
        _unfold(x[n], top, left, frame, length, X)
        if not direct:
            for o in range(K):
                for i in range(P):
                    padded[0, o, i] = delta[n, o, i]
        multiply_transposed_images(delta[n : n + 1] if direct else padded, X, HERE, count, sums)


@jit
def _gram(y: Array, x: Array, top: Array, left: Array, frame: Frame, length: int, sums: Array) -> None:
    P, cols = y.shape[2], len(sums)
    count = whole(P, WIDTH)
    X = np.zeros((1, cols, count), np.float32)
    for n in range(len(x)):
        _unfold(x[n], top, left, frame, length, X)
        _weigh(y[n], X[0])
        for first in range(0, count, BLOCK):
            m = min(BLOCK, count - first)
            for k in range(0, cols, ROWS):
                for j in range(k, cols, ROWS):
                    dots(X, k, first, X, j, first, m, sums)


@jit
def _unfold(x: Array, top: Array, left: Array, frame: Frame, length: int, X: Array) -> None:
    flat = X.reshape(X.size)
    for c in range(len(x)):
        fill(x[c], top, left, frame, flat[c * length :])


@inlined
def _weigh(y: Array, X: Array) -> None:
    """Each patch, by 1/√(‖y‖ ‖x‖), or 0."""
    P = y.shape[1]
    yy, xx = np.zeros(P, np.float32), np.zeros(P, np.float32)
    for o in range(len(y)):
        for i in range(P):
            yy[i] += y[o, i] * y[o, i]
    for k in range(len(X)):
        for i in range(P):
            xx[i] += X[k, i] * X[k, i]
    for i in range(P):
        length = np.sqrt(yy[i]) * np.sqrt(xx[i])
        xx[i] = 1 / np.sqrt(length) if length > SILENT else ZERO
    for k in range(len(X)):
        for i in range(P):
            X[k, i] *= xx[i]
