"""Matrix products on planes whose taps are shifts, in tiles of four by four rows.

    multiply              y[o, i]    += Σ_t Σ_c W[t, o, c] · x[c, i + shift[t]]
    multiply_transposed   G[t, o, c] += Σ_i  δ[o, i] · x[c, i + shift[t]]

Every count of rows is a multiple of four; the inner loops run over i and become vectors. Rows are worked on
in blocks: four of each side stay in the nearest cache while all taps pass."""

import numpy as np

from .arrays import Array
from .jit import jit

BLOCK = 1152  # floats
ZERO = np.float32(0)


@jit
def multiply(W: Array, x: Array, shifts: Array, y: Array, start: int, count: int) -> None:
    """As above for i in [0, count), with y[o, start + i]."""
    _, rows, cols = W.shape
    block = _block(count)
    for first in range(0, count, block):
        n = min(block, count - first)
        for o in range(0, rows, 4):
            for c in range(0, cols, 4):
                for t in range(shifts.size):
                    _tile(W[t], x, np.uint64(first) + shifts[t], y, start + first, n, o, c)


@jit
def multiply_transposed(d: Array, x: Array, shifts: Array, count: int, sums: Array) -> None:
    """As above for i in [0, count)."""
    _, rows, cols = sums.shape
    block = _block(count)
    for first in range(0, count, block):
        n = min(block, count - first)
        for o in range(0, rows, 4):
            for c in range(0, cols, 4):
                for t in range(shifts.size):
                    _dots(d, first, x, np.uint64(first) + shifts[t], n, sums[t], o, c)


@jit
def _block(count: int) -> int:
    """Equal blocks, of whole vectors: a short last one would run at half the speed."""
    blocks = (count + BLOCK - 1) // BLOCK
    return max(16, ((count + blocks - 1) // blocks + 15) // 16 * 16)


@jit
def _tile(W: Array, x: Array, a: int, y: Array, b: int, n: int, o: int, c: int) -> None:
    """Four rows of x are read for four rows of y."""
    x0, x1, x2, x3 = x[c, a:], x[c + 1, a:], x[c + 2, a:], x[c + 3, a:]
    y0, y1, y2, y3 = y[o, b : b + n], y[o + 1, b : b + n], y[o + 2, b : b + n], y[o + 3, b : b + n]
    w00, w01, w02, w03 = W[o, c], W[o, c + 1], W[o, c + 2], W[o, c + 3]
    w10, w11, w12, w13 = W[o + 1, c], W[o + 1, c + 1], W[o + 1, c + 2], W[o + 1, c + 3]
    w20, w21, w22, w23 = W[o + 2, c], W[o + 2, c + 1], W[o + 2, c + 2], W[o + 2, c + 3]
    w30, w31, w32, w33 = W[o + 3, c], W[o + 3, c + 1], W[o + 3, c + 2], W[o + 3, c + 3]
    for i in range(y0.size):
        p, q, u, v = x0[i], x1[i], x2[i], x3[i]  # once: after a store to y the compiler would read them again
        y0[i] += w00 * p + w01 * q + w02 * u + w03 * v
        y1[i] += w10 * p + w11 * q + w12 * u + w13 * v
        y2[i] += w20 * p + w21 * q + w22 * u + w23 * v
        y3[i] += w30 * p + w31 * q + w32 * u + w33 * v


@jit
def _dots(d: Array, a: int, x: Array, b: int, n: int, sums: Array, o: int, c: int) -> None:
    """sums[o : o + 4, c : c + 4] += d @ xᵀ of four rows each."""
    d0, d1, d2, d3 = d[o, a : a + n], d[o + 1, a : a + n], d[o + 2, a : a + n], d[o + 3, a : a + n]
    x0, x1, x2, x3 = x[c, b:], x[c + 1, b:], x[c + 2, b:], x[c + 3, b:]
    s00 = s01 = s02 = s03 = s10 = s11 = s12 = s13 = ZERO
    s20 = s21 = s22 = s23 = s30 = s31 = s32 = s33 = ZERO
    for i in range(d0.size):
        p, q, u, v = x0[i], x1[i], x2[i], x3[i]
        s00, s01, s02, s03 = s00 + d0[i] * p, s01 + d0[i] * q, s02 + d0[i] * u, s03 + d0[i] * v
        s10, s11, s12, s13 = s10 + d1[i] * p, s11 + d1[i] * q, s12 + d1[i] * u, s13 + d1[i] * v
        s20, s21, s22, s23 = s20 + d2[i] * p, s21 + d2[i] * q, s22 + d2[i] * u, s23 + d2[i] * v
        s30, s31, s32, s33 = s30 + d3[i] * p, s31 + d3[i] * q, s32 + d3[i] * u, s33 + d3[i] * v
    rows = ((s00, s01, s02, s03), (s10, s11, s12, s13), (s20, s21, s22, s23), (s30, s31, s32, s33))
    for j, row in enumerate(rows):
        for k in range(4):
            sums[o + j, c + k] += row[k]
