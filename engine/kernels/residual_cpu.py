"""The CPU twin of residual.py."""

import numpy as np

from .arrays import Array, own
from .channel_cpu import ZERO, coefficients, rows
from .jit import jit
from .residual import same_shape
from .threads import chunks, run

APART = 8  # what a number costs whose neighbours lie apart


def join(x: Array, a: Array, b: Array, s: Array) -> Array:
    """As residual.join."""
    same_shape("join", s, x)
    y = np.empty(x.shape, x.dtype)
    a, b = coefficients(a, x), coefficients(b, x)
    x_rows, s, out = rows(x), rows(s), rows(y)

    def work(first: int, last: int, _: int) -> None:
        _join(x_rows[first:last], a, b, s[first:last], out[first:last])

    run(work, chunks(len(x), 4 * x[0].size))
    return y


def gate(g: Array, y: Array, x: Array, mean: Array) -> tuple[Array, Array, Array]:
    """As residual.gate."""
    same_shape("gate", g, x)
    same_shape("gate", y, x)
    out = np.empty(g.shape, g.dtype)
    x_rows, g, y, to, centre = rows(x), rows(g), rows(y), rows(out), coefficients(mean, x)
    borders = chunks(len(x), 6 * x[0].size)
    parts = np.zeros((len(borders), 2, centre.size))

    def work(first: int, last: int, index: int) -> None:
        _gate(g[first:last], y[first:last], x_rows[first:last], centre, to[first:last], parts[index])

    run(work, borders)
    S0, S1 = parts.sum(0).astype(x.dtype).reshape(2, *x.shape[1:3])
    return out, S0, S1


def add(out: Array, g: Array) -> None:
    """As residual.add."""
    same_shape("add", g, out)
    if not out.flags.c_contiguous:
        run(lambda i, j, _: np.add(out[i:j], g[i:j], out=out[i:j]), chunks(len(out), APART * out[0].size))
        return
    flat, g = out.reshape(-1), own(g).reshape(-1)
    run(lambda first, last, _: _add(g[first:last], flat[first:last]), chunks(g.size, 1))


@jit
def _join(x: Array, a: Array, b: Array, s: Array, out: Array) -> None:
    N, C, P = x.shape
    for n in range(N):
        for c in range(C):
            row, plus, to, ac, bc = x[n, c], s[n, c], out[n, c], a[c], b[c]
            for i in range(P):
                y = ac * row[i] + bc + plus[i]
                to[i] = ZERO if y < ZERO else y  # NaN passes


@jit
def _gate(g: Array, y: Array, x: Array, mean: Array, out: Array, part: Array) -> None:
    N, C, P = x.shape
    for n in range(N):
        for c in range(C):
            up, positive, row, to, m = g[n, c], y[n, c], x[n, c], out[n, c], mean[c]
            s = q = np.float64(0)
            for i in range(P):
                v = up[i] if positive[i] > ZERO else ZERO
                to[i] = v
                s += v
                q += np.float64(v) * (row[i] - m)
            part[0, c] += s
            part[1, c] += q


@jit
def _add(g: Array, out: Array) -> None:
    for i in range(g.size):
        out[i] += g[i]
