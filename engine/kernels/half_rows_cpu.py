"""What half_cpu.py does with one channel of one image (rows of floats); symbols as in half.py."""

import numpy as np

from .arrays import Array
from .jit import in_order, inlined

ZERO = np.float32(0)
BLOCK = 1024  # values whose sum runs in float32


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
def masked(
    d: Array, x: Array, a: np.float32, b: np.float32, mean: np.float32, out: Array, sums: Array
) -> None:
    """out = d where a·x + b > 0; sums += Σ out, Σ out·(x − mean)."""
    for first in range(0, d.size, BLOCK):
        dr, xr, to = d[first : first + BLOCK], x[first : first + BLOCK], out[first : first + BLOCK]
        S0 = S1 = ZERO
        for i in range(dr.size):
            v = dr[i] if a * xr[i] + b > ZERO else ZERO
            to[i] = v
            S0 += v
            S1 += v * (xr[i] - mean)
        sums[0] += S0
        sums[1] += S1


@inlined
def moments(y: Array, part: Array) -> None:
    """Take y into count, mean and Σ (y − mean)² (Chan et al. 1979), block by block."""
    for first in range(0, y.size, BLOCK):
        row = y[first : first + BLOCK]
        s = q = e = ZERO
        for i in range(row.size):
            s += row[i]
        centre = s / np.float32(row.size)
        for i in range(row.size):
            v = row[i] - centre
            q += v * v
            e += v
        n = np.float64(row.size)
        m = np.float64(centre) + e / n  # e: what the rounding of the centre left
        step, count = m - part[1], part[0]
        part[0] = count + n
        part[1] += step * n / part[0]
        part[2] += q - e * e / n + step * step * (count * n / part[0])
