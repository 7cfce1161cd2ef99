"""Matrix products on planes whose taps are shifts, in tiles of four by four rows.

    multiply              y[o, i]   += Σ_t Σ_c W[t, o, c] · x[c, i + shift[t]]
    multiply_transposed   G[t, o, c] += Σ_i  δ[o, i] · x[c, i + shift[t]]

Every count of rows is a multiple of four; the inner loops run over i and become vectors."""

import numpy as np

from .arrays import Array
from .jit import jit

BLOCK = 512  # floats of a row that stay in the nearest cache
ZERO = np.float32(0)


@jit
def multiply(W: Array, x: Array, shifts: Array, y: Array, start: int, count: int) -> None:
    """As above for i in [0, count), with y[o, start + i]."""
    _, rows, cols = W.shape
    for first in range(0, count, BLOCK):
        n = min(BLOCK, count - first)
        for o in range(0, rows, 4):
            for c in range(0, cols, 4):
                for t in range(shifts.size):
                    _tile(W[t], x, np.uint64(first) + shifts[t], y, start + first, n, o, c)


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
        y0[i] += w00 * x0[i] + w01 * x1[i] + w02 * x2[i] + w03 * x3[i]
        y1[i] += w10 * x0[i] + w11 * x1[i] + w12 * x2[i] + w13 * x3[i]
        y2[i] += w20 * x0[i] + w21 * x1[i] + w22 * x2[i] + w23 * x3[i]
        y3[i] += w30 * x0[i] + w31 * x1[i] + w32 * x2[i] + w33 * x3[i]


@jit
def multiply_transposed(d: Array, x: Array, shifts: Array, count: int, sums: Array) -> None:
    """As above for i in [0, count)."""
    _, rows, cols = sums.shape
    for first in range(0, count, BLOCK):
        n = min(BLOCK, count - first)
        for o in range(0, rows, 4):
            for c in range(0, cols, 4):
                for t in range(shifts.size):
                    _dots(d, first, x, np.uint64(first) + shifts[t], n, sums[t], o, c)


@jit
def _dots(d: Array, a: int, x: Array, b: int, n: int, sums: Array, o: int, c: int) -> None:
    """sums[o : o + 4, c : c + 4] += d @ xᵀ of four rows each."""
    d0, d1, d2, d3 = d[o, a : a + n], d[o + 1, a : a + n], d[o + 2, a : a + n], d[o + 3, a : a + n]
    x0, x1, x2, x3 = x[c, b:], x[c + 1, b:], x[c + 2, b:], x[c + 3, b:]
    s00 = s01 = s02 = s03 = s10 = s11 = s12 = s13 = ZERO
    s20 = s21 = s22 = s23 = s30 = s31 = s32 = s33 = ZERO
    for i in range(d0.size):
        s00, s01, s02, s03 = (
            s00 + d0[i] * x0[i],
            s01 + d0[i] * x1[i],
            s02 + d0[i] * x2[i],
            s03 + d0[i] * x3[i],
        )
        s10, s11, s12, s13 = (
            s10 + d1[i] * x0[i],
            s11 + d1[i] * x1[i],
            s12 + d1[i] * x2[i],
            s13 + d1[i] * x3[i],
        )
        s20, s21, s22, s23 = (
            s20 + d2[i] * x0[i],
            s21 + d2[i] * x1[i],
            s22 + d2[i] * x2[i],
            s23 + d2[i] * x3[i],
        )
        s30, s31, s32, s33 = (
            s30 + d3[i] * x0[i],
            s31 + d3[i] * x1[i],
            s32 + d3[i] * x2[i],
            s33 + d3[i] * x3[i],
        )
    rows = ((s00, s01, s02, s03), (s10, s11, s12, s13), (s20, s21, s22, s23), (s30, s31, s32, s33))
    for j, row in enumerate(rows):
        for k in range(4):
            sums[o + j, c + k] += row[k]
