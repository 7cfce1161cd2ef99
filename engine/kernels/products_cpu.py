"""Matrix products on planes whose taps are shifts.

    multiply                     y[o, i]    += Σ_t Σ_c W[t, o, c] · x[c, i + shift[t]]
    assign                       y[o, i]     = the same
    multiply_transposed          G[t, o, c] += Σ_i δ[o, i] · x[c, i + shift[t]]
    multiply_transposed_images   G[t, o, c] += Σ_n Σ_i δ[n, o, i] · x[n, c, i + shift[t]]

The rows of W, y, δ and G (o, and c in the second) come in fours. Whole vectors of i go through the tiles of
tiles_cpu.py, the rest through plain loops: nothing is read or written beyond [0, count)."""

import numpy as np

from .arrays import Array
from .jit import in_order, jit
from .tiles_cpu import ROWS, VECTORS, WIDTH, dots, product, product_narrow

ZERO = np.float32(0)
BLOCK = 1024  # floats: four rows of each side stay in the nearest cache while all taps pass


@jit
def whole(count: int, step: int) -> int:
    """`count` rounded up to whole steps."""
    return (count + step - 1) // step * step


@in_order
def multiply(W: Array, x: Array, shifts: Array, y: Array, start: int, count: int) -> None:
    """As above for i in [0, count), with y[o, start + i]."""
    _product(W, x, shifts, y, np.int64(start), count, np.int64(0))  # for a literal it would be compiled anew


@in_order
def assign(W: Array, x: Array, shifts: Array, y: Array, start: int, count: int) -> None:
    """The same, whatever y held."""
    _product(W, x, shifts, y, np.int64(start), count, np.int64(1))


@in_order
def _product(
    W: Array, x: Array, shifts: Array, y: Array, start: np.int64, count: int, fresh: np.int64
) -> None:
    rows, inside, long = W.shape[1], count // WIDTH * WIDTH, VECTORS * WIDTH
    end = inside // long * long
    for i in range(0, end, long):
        for o in range(0, rows, ROWS):
            product(W, o, x, shifts, i, y, start + i, fresh)
    for i in range(end, inside, WIDTH):
        for o in range(0, rows, ROWS):
            product_narrow(W, o, x, shifts, i, y, start + i, fresh)
    for o in range(rows):
        for i in range(inside, count):
            total = ZERO if fresh else y[o, start + i]
            for t in range(shifts.size):
                for c in range(W.shape[2]):
                    total += W[t, o, c] * x[c, shifts[t] + i]
            y[o, start + i] = total


@in_order
def multiply_transposed_images(d: Array, x: Array, shifts: Array, count: int, sums: Array) -> None:
    """As above for i in [0, count); G in float64."""
    _, rows, cols = sums.shape
    inside = count // WIDTH * WIDTH
    for first in range(0, inside, BLOCK):
        n = min(BLOCK, inside - first)
        for o in range(0, rows, ROWS):
            for c in range(0, cols, ROWS):
                for t in range(shifts.size):
                    dots(d, o, first, x, c, shifts[t] + first, n, sums[t])
    for n in range(len(d)):
        for t in range(shifts.size):
            for o in range(rows):
                for c in range(cols):
                    for i in range(inside, count):
                        sums[t, o, c] += d[n, o, i] * x[n, c, shifts[t] + i]


@in_order
def multiply_transposed(d: Array, x: Array, shifts: Array, count: int, sums: Array) -> None:
    """As above for i in [0, count); G in float64."""
    multiply_transposed_images(
        d.reshape(1, d.shape[0], d.shape[1]), x.reshape(1, x.shape[0], x.shape[1]), shifts, count, sums
    )
