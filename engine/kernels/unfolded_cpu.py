"""The CPU twin of wide convolutions, as products of matrices: every patch is written out as a row.

    X[(n, i), (c, t)] = x[n, c, s·i + d·t − p]        push  Y = X Mᵀ        outer  G = δᵀ X

Where M is much larger than a core's cache and patches are few, what counts is how often M is read: once a block of
images here, once an image in dense_cpu.py. X is k² times as large as x: narrow convolutions are better off there.
"""

import numpy as np

from .arrays import Array, Shape, Size
from .conv import Geometry, taps
from .product_cpu import product

WIDE, FEW = (
    1 << 20,
    2048,
)  # weights of a lane; patches: of more of them, filters transformed once are worth it
BLOCK = 1 << 22  # floats of X


def suits(M: Shape, g: Geometry, images: int, size: Size) -> bool:
    """Whether M (R, O, C, k, k) is one wide lane, and meets few patches."""
    patches = images * g.out_size(size[0]) * g.out_size(size[1])
    return g.groups == 1 and M[0] == 1 and int(np.prod(M)) >= WIDE and patches <= FEW


def push(x: Array, M: Array, g: Geometry) -> Array:
    """As conv.push."""
    K, out = M.shape[1], (g.out_size(x.shape[3]), g.out_size(x.shape[4]))
    y = np.empty((len(x), 1, K, *out), x.dtype)
    flat = M.reshape(K, -1)
    for first, last in _blocks(len(x), out[0] * out[1] * flat.shape[1]):
        rows = product(_rows(x[first:last], g), flat.T)
        y[first:last, 0] = rows.reshape(last - first, *out, K).transpose(0, 3, 1, 2)
    return y


def outer(delta: Array, x: Array, g: Geometry) -> Array:
    """As conv.outer."""
    (N, _, K, Ho, Wo), D = delta.shape, x.shape[2] * g.kernel**2
    total = np.zeros((K, D), x.dtype)
    for first, last in _blocks(N, Ho * Wo * D):
        d = delta[first:last, 0].reshape(last - first, K, -1).transpose(1, 0, 2).reshape(K, -1)
        total += product(d, _rows(x[first:last], g))
    return total.reshape(1, K, x.shape[2], g.kernel, g.kernel)


def _blocks(count: int, cost: int) -> list[tuple[int, int]]:
    size = max(1, BLOCK // cost)
    return [(first, min(first + size, count)) for first in range(0, count, size)]


def _rows(x: Array, g: Geometry) -> Array:
    """X (n·Ho·Wo, C·k·k) of images (n, 1, C, H, W)."""
    n, _, C, H, W = x.shape
    out = g.out_size(H), g.out_size(W)
    rows = np.empty((n, *out, C, g.kernel**2), x.dtype)
    padded = np.pad(x[:, 0], ((0, 0),) * 2 + ((g.padding, g.padding),) * 2)
    for t, tap in enumerate(taps(padded, g, out)):
        rows[..., t] = tap.transpose(0, 2, 3, 1)
    return rows.reshape(n * out[0] * out[1], -1)
