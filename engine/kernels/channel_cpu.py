"""The CPU twin of channel.py: one pass over memory each; sums in float64, image by image."""

from collections.abc import Sequence

import numpy as np

from .arrays import Array, own
from .jit import jit
from .threads import chunks, run
from .tiles_cpu import fetch

ZERO = np.float32(0)


def moments(x: Array) -> tuple[Array, Array]:
    """As channel.moments; the images' means and squares are merged as Chan et al. (1979) do."""
    N, R, C = x.shape[:3]
    planes = rows(x)
    borders = chunks(N, 4 * x[0].size)
    parts = np.zeros((len(borders), 2, R * C))  # of each chunk: mean, Σ (x − mean)²
    run(lambda first, last, index: _moments(planes[first:last], parts[index]), borders)
    return merged(parts, borders, x)


def merged(parts: Array, borders: Sequence[tuple[int, int]], x: Array) -> tuple[Array, Array]:
    """Mean and variance (R, C) of x, from each chunk's mean and Σ (x − mean)²."""
    (N, R, C), P = x.shape[:3], x.shape[3] * x.shape[4]
    if len(borders) == 1:
        mean, squares = parts[0]
    else:
        counts = np.array([[(last - first) * P] for first, last in borders], np.float64)
        mean = (counts * parts[:, 0]).sum(0) / (N * P)
        squares = parts[:, 1].sum(0) + (counts * (parts[:, 0] - mean) ** 2).sum(0)
    return mean.astype(x.dtype).reshape(R, C), (squares / (N * P)).astype(x.dtype).reshape(R, C)


def affine(x: Array, a: Array, b: Array, relu: bool = False) -> Array:
    """As channel.affine."""
    y = np.empty(x.shape, x.dtype)
    a, b = coefficients(a, x), coefficients(b, x)
    x, out = rows(x), rows(y)
    low = ZERO if relu else np.float32(-np.inf)
    run(
        lambda first, last, _: _affine(x[first:last], a, b, low, out[first:last]),
        chunks(len(x), 3 * x[0].size),
    )
    return y


def grad_sums(g: Array, x: Array, mean: Array) -> tuple[Array, Array]:
    """As channel.grad_sums."""
    x_rows, g, centre = rows(x), _lanes(g, x), coefficients(mean, x)
    borders = chunks(len(x), 4 * x[0].size)
    parts = np.zeros((len(borders), 2, centre.size))
    run(
        lambda first, last, index: _grad_sums(g[first:last], x_rows[first:last], centre, parts[index]),
        borders,
    )
    total = parts.sum(0).astype(x.dtype).reshape(2, *x.shape[1:3])
    return total[0], total[1]


def combine(g: Array, x: Array, a: Array, b: Array, d: Array) -> Array:
    """As channel.combine."""
    y = np.empty(x.shape, x.dtype)
    a, b, d = (coefficients(v, x) for v in (a, b, d))
    x, g, out = rows(x), _lanes(g, x), rows(y)
    run(
        lambda first, last, _: _combine(g[first:last], x[first:last], a, b, d, out[first:last]),
        chunks(len(x), 5 * x[0].size),
    )
    return y


def relu_grad(g: Array, y: Array) -> Array:
    """As channel.relu_grad."""
    if g.shape != y.shape:
        raise ValueError(f"relu_grad: g is {g.shape}, y is {y.shape}.")
    out = np.empty(g.shape, g.dtype)
    flat, g, y = out.reshape(-1), own(g).reshape(-1), own(y).reshape(-1)
    run(lambda first, last, _: _relu_grad(g[first:last], y[first:last], flat[first:last]), chunks(g.size, 1))
    return out


def rows(x: Array) -> Array:
    """(N, lanes · C, H · W)."""
    return own(x).reshape(x.shape[0], x.shape[1] * x.shape[2], x.shape[3] * x.shape[4])


def _lanes(g: Array, x: Array) -> Array:
    """(N, lanes · C, H · W) of g, which has one lane or those of x."""
    if g.shape not in (x.shape, (x.shape[0], 1, *x.shape[2:])):
        raise ValueError(f"g is {g.shape}, x is {x.shape}: g takes the lanes of x, or one.")
    return rows(g)


def coefficients(a: Array, x: Array) -> Array:
    """(R · C,), one for each lane and channel of x."""
    if a.shape != x.shape[1:3]:
        a = np.broadcast_to(a, x.shape[1:3])
    return own(a).reshape(-1)


@jit
def _moments(x: Array, part: Array) -> None:
    N, C, P = x.shape
    for n in range(N):
        for c in range(C):
            row, s, q = x[n, c], 0.0, 0.0
            for i in range(P):
                s += row[i]
            mean = s / P
            for i in range(P):
                q += (row[i] - mean) ** 2
            step = mean - part[0, c]
            part[0, c] += step / (n + 1)
            part[1, c] += q + step * step * (P * n / (n + 1))


@jit
def _affine(x: Array, a: Array, b: Array, low: np.float32, out: Array) -> None:
    N, C, P = x.shape
    for n in range(N):
        for c in range(C):
            row, to, ac, bc = x[n, c], out[n, c], a[c], b[c]
            for i in range(P):
                y = ac * row[i] + bc
                to[i] = low if y < low else y  # NaN passes


@jit
def _grad_sums(g: Array, x: Array, mean: Array, part: Array) -> None:
    N, C, P = x.shape
    for n in range(N):
        for k in range(g.shape[1]):
            up, s = g[n, k], 0.0
            for i in range(P):
                s += up[i]
            for c in range(k, C, g.shape[1]):  # the lanes that share this error
                if k + 1 < g.shape[1]:
                    fetch(x[n, c + 1])
                row, m, q = x[n, c], mean[c], 0.0
                for i in range(P):
                    q += np.float64(up[i]) * (row[i] - m)
                part[0, c] += s
                part[1, c] += q


@jit
def _combine(g: Array, x: Array, a: Array, b: Array, d: Array, out: Array) -> None:
    N, C, P = x.shape
    for n in range(N):
        for c in range(C):
            up, row, to, ac, bc, dc = g[n, c % g.shape[1]], x[n, c], out[n, c], a[c], b[c], d[c]
            for i in range(P):
                to[i] = ac * up[i] + bc * row[i] + dc


@jit
def _relu_grad(g: Array, y: Array, out: Array) -> None:
    for i in range(g.size):
        out[i] = g[i] if y[i] > ZERO else ZERO
