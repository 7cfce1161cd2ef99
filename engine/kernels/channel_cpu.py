"""The CPU twin of channel.py: one pass over memory each; sums in float64, image by image."""

import numpy as np

from .arrays import Array
from .jit import jit
from .threads import chunks, run

ZERO = np.float32(0)


def moments(x: Array) -> tuple[Array, Array]:
    """As channel.moments; the images' means and squares are merged as Chan et al. (1979) do."""
    (N, R, C), P = x.shape[:3], x.shape[3] * x.shape[4]
    planes = np.ascontiguousarray(x).reshape(N, R * C, P)
    borders = chunks(N, 4 * x[0].size)
    parts = np.zeros((len(borders), 2, R * C))  # of each chunk: mean, Σ (x − mean)²
    run(lambda first, last, index: _moments(planes[first:last], parts[index]), borders)
    counts = np.array([[(last - first) * P] for first, last in borders], np.float64)
    mean = (counts * parts[:, 0]).sum(0) / (N * P)
    squares = parts[:, 1].sum(0) + (counts * (parts[:, 0] - mean) ** 2).sum(0)
    return mean.astype(x.dtype).reshape(R, C), (squares / (N * P)).astype(x.dtype).reshape(R, C)


def affine(x: Array, a: Array, b: Array, relu: bool = False) -> Array:
    """As channel.affine."""
    y = np.empty(x.shape, x.dtype)
    x, a, b, out = _rows(x), a.ravel(), b.ravel(), _rows(y)
    low = ZERO if relu else np.float32(-np.inf)
    run(
        lambda first, last, _: _affine(x[first:last], a, b, low, out[first:last]),
        chunks(len(x), 3 * x[0].size),
    )
    return y


def grad_sums(g: Array, x: Array, mean: Array) -> tuple[Array, Array]:
    """As channel.grad_sums."""
    rows, g, centre = _rows(x), _rows(g), mean.ravel()
    borders = chunks(len(x), 4 * x[0].size)
    parts = np.zeros((len(borders), 2, centre.size))
    run(lambda first, last, index: _grad_sums(g[first:last], rows[first:last], centre, parts[index]), borders)
    total = parts.sum(0).astype(x.dtype)
    return total[0].reshape(mean.shape), total[1].reshape(mean.shape)


def combine(g: Array, x: Array, a: Array, b: Array, d: Array) -> Array:
    """As channel.combine."""
    y = np.empty(x.shape, x.dtype)
    x, g, a, b, d, out = _rows(x), _rows(g), a.ravel(), b.ravel(), d.ravel(), _rows(y)
    run(
        lambda first, last, _: _combine(g[first:last], x[first:last], a, b, d, out[first:last]),
        chunks(len(x), 5 * x[0].size),
    )
    return y


def relu_grad(g: Array, y: Array) -> Array:
    """As channel.relu_grad."""
    out = np.empty(g.shape, g.dtype)
    flat, g, y = out.reshape(-1), np.ascontiguousarray(g).reshape(-1), np.ascontiguousarray(y).reshape(-1)
    run(lambda first, last, _: _relu_grad(g[first:last], y[first:last], flat[first:last]), chunks(g.size, 1))
    return out


def _rows(x: Array) -> Array:
    """(N, lanes · C, H · W)."""
    return np.ascontiguousarray(x).reshape(x.shape[0], x.shape[1] * x.shape[2], -1)


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
        for c in range(C):
            up, row, m, s, q = g[n, c % g.shape[1]], x[n, c], mean[c], 0.0, 0.0
            for i in range(P):
                s += up[i]
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
