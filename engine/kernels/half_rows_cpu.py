"""What half_cpu.py does with one channel of one image (rows of floats); symbols as in half.py."""

import numpy as np

from .arrays import Array
from .jit import in_order, inlined
from .tiles_cpu import stream

ZERO = np.float32(0)
BLOCK = 1024  # values whose sum runs in float32
EMPTY = np.inf  # no row came yet


@in_order
def carve(memory: Array, rows: int, length: int) -> tuple[Array, Array]:
    """Zeros (rows, length) from the front of `memory`, and the rest of it."""
    found = memory[: rows * length].reshape(rows, length)
    found[:] = ZERO
    return found, memory[rows * length :]


@in_order
def rectify(x: Array, a: np.float32, b: np.float32, out: Array) -> None:
    for i in range(x.size):
        v = a * x[i] + b
        out[i] = ZERO if v < ZERO else v  # NaN passes


@in_order
def combine(g: Array, y: Array, A: np.float32, B: np.float32, E: np.float32, out: Array) -> None:
    for i in range(g.size):
        out[i] = A * g[i] + B * y[i] + E


@in_order
def add(x: Array, out: Array) -> None:
    for i in range(x.size):
        out[i] += x[i]


@inlined
def masked(d: Array, x: Array, a: np.float32, b: np.float32, mean: np.float32, sums: Array) -> None:
    """d = 0 where not a·x + b > 0; sums += Σ d, Σ d·(x − mean)."""
    for first in range(0, d.size, BLOCK):
        dr, xr = d[first : first + BLOCK], x[first : first + BLOCK]
        S0 = S1 = ZERO
        for i in range(dr.size):
            v = dr[i] if a * xr[i] + b > ZERO else ZERO
            dr[i] = v
            S0 += v
            S1 += v * (xr[i] - mean)
        sums[0] += S0
        sums[1] += S1


@inlined
def copy(x: Array, y: Array, past_caches: bool) -> None:
    """y = x; `past_caches`: by `stream`. Inlined: with a call for each
    row a forward half of 8 × 8 maps took twice as long."""
    if past_caches:
        stream(x, y)
    else:
        for i in range(x.size):
            y[i] = x[i]


@inlined
def settle(row: Array, y: Array, past_caches: bool, part: Array) -> None:
    """y = row, by `stream` where `past_caches`; into `part` its Σ (y − c) and Σ (y − c)²; c = part[0], the mean of the
    first row that came."""
    for first in range(0, row.size, BLOCK):
        v, to = row[first : first + BLOCK], y[first : first + BLOCK]
        if part[0] == EMPTY:
            total = ZERO
            for i in range(v.size):
                total += v[i]
            part[0] = total / np.float32(v.size)
        c, s, q = np.float32(part[0]), ZERO, ZERO
        for i in range(v.size):
            s += v[i] - c
            q += (v[i] - c) * (v[i] - c)
        part[1] += s
        part[2] += q
        copy(v, to, past_caches)
