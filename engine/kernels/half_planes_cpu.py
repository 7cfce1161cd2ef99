"""The compiled loops of half_cpu.py, over the images of a chunk; symbols as in half.py."""

import numpy as np

from .arrays import Array
from .depthwise_cpu import Shifts, correlate, dots
from .jit import jit
from .planes_cpu import Frame, Layout, fill, take
from .products_cpu import multiply, multiply_transposed

ZERO = np.float32(0)
HERE = np.zeros(1, np.uint64)  # a 1 × 1 kernel's only shift
BLOCK = 1024  # values whose sum runs in float32


@jit
def forward_planes(
    x: Array, a: Array, b: Array, D: Array, P: Array, layout: Layout, frame: Frame, flat: Frame,
    down: Shifts, right: Shifts, memory: Array, y: Array, part: Array,
) -> None:  # fmt: skip
    (N, L, C, _), (R, K) = x.shape, y.shape[1:3]
    (stack, step, pitch, length), rows, cols = layout, P.shape[3], P.shape[4]
    planes, memory = _carve(memory, C, frame[4] ** 2 * length)
    h, memory = _carve(memory, cols, length)
    out, row = _carve(memory, rows, length)
    for n in range(0, N, stack):
        images = min(stack, N - n)
        count = images * step
        for lane in range(L):
            _inputs(x[n : n + images, lane], lane, a, b, layout, frame, row, planes)
            for r in range(lane, R, L):  # every lane where they share x
                for c in range(C):
                    correlate(planes[c], down, right, D[r, c], h[c, :count])
                out[:, :count] = ZERO
                multiply(P[r, 0], h, HERE, out, 0, count)
                for j in range(images):
                    for o in range(K):
                        take(out[o], flat, pitch, j * step, y[n + j, r, o])
                        _moments(y[n + j, r, o], part[:, r, o])


@jit
def backward_planes(
    g: Array, y: Array, A: Array, B: Array, E: Array, x: Array, a: Array, b: Array, mean: Array,
    D: Array, Db: Array, Pt: Array, layout: Layout, frame: Frame, flat: Frame, reach: int,
    down: Shifts, right: Shifts, up: Shifts, left: Shifts, taps: Array, learn: bool,
    memory: Array, error: Array, sums: Array, dD: Array, dP: Array,
) -> None:  # fmt: skip
    (N, L, C, size), (R, K) = x.shape, y.shape[1:3]
    (stack, step, pitch, length), phases = layout, frame[4] ** 2
    planes, memory = _carve(memory, C, phases * length)
    total, memory = _carve(memory, C, phases * length)
    h, memory = _carve(memory, Pt.shape[3], length)
    dh, memory = _carve(memory, Pt.shape[3], length)
    d, memory = _carve(memory, Pt.shape[4], length)
    row = memory
    for n in range(0, N, stack):
        images = min(stack, N - n)
        count = images * step
        for lane in range(L):
            _inputs(x[n : n + images, lane], lane, a, b, layout, frame, row, planes)
            for r in range(lane, R, L):
                for j in range(images):
                    for o in range(K):
                        _combine(g[n + j, r % g.shape[1], o], y[n + j, r, o], A[r, o], B[r, o], E[r, o], row)
                        fill(row, flat, pitch, j * step, d[o])
                if learn:
                    for c in range(C):
                        correlate(planes[c], down, right, D[r, c], h[c, :count])
                    multiply_transposed(d, h, HERE, count, dP[r])
                dh[:, reach : reach + count] = ZERO
                multiply(Pt[r, 0], d, HERE, dh, reach, count)
                for c in range(C):
                    if learn:
                        dots(dh[c, reach : reach + count], planes[c], taps, dD[r, c])
                    for q in range(phases):
                        to = total[c, q * length : q * length + count]
                        if r == lane:  # the first of the lanes that share x
                            correlate(dh[c], up, left, Db[q, r, c], to)
                        else:
                            correlate(dh[c], up, left, Db[q, r, c], row[:count])
                            _add(row[:count], to)
                if a.size > 0:
                    for j in range(images):
                        for c in range(C):
                            _gather(total[c], frame, pitch, j * step, row[:size])
                            z, to = x[n + j, r, c], error[n + j, r, c]
                            _masked(row[:size], z, a[r, c], b[r, c], mean[r, c], to, sums[:, r, c])
            if a.size == 0:
                for j in range(images):
                    for c in range(C):
                        _gather(total[c], frame, pitch, j * step, row[:size])
                        _add(row[:size], error[n + j, lane, c])


@jit
def _carve(memory: Array, rows: int, length: int) -> tuple[Array, Array]:
    """Zeros (rows, length) from the front of `memory`, and the rest of it."""
    found = memory[: rows * length].reshape(rows, length)
    found[:] = ZERO
    return found, memory[rows * length :]


@jit
def _inputs(
    x: Array, lane: int, a: Array, b: Array, layout: Layout, frame: Frame, row: Array, planes: Array
) -> None:
    """z of every image and channel onto the planes."""
    images, C, size = x.shape
    for j in range(images):
        for c in range(C):
            if a.size == 0:
                fill(x[j, c], frame, layout[2], j * layout[1], planes[c])
            else:
                _rectify(x[j, c], a[lane, c], b[lane, c], row[:size])
                fill(row[:size], frame, layout[2], j * layout[1], planes[c])


@jit
def _rectify(x: Array, a: np.float32, b: np.float32, out: Array) -> None:
    for i in range(x.size):
        v = a * x[i] + b
        out[i] = ZERO if v < ZERO else v  # NaN passes


@jit
def _combine(g: Array, y: Array, A: np.float32, B: np.float32, E: np.float32, out: Array) -> None:
    for i in range(g.size):
        out[i] = A * g[i] + B * y[i] + E


@jit
def _add(x: Array, out: Array) -> None:
    for i in range(x.size):
        out[i] += x[i]


@jit
def _gather(plane: Array, frame: Frame, pitch: int, start: int, image: Array) -> None:
    """As take; pixels that no tap reaches (dilated and strided alike) are zero."""
    if frame[4] < frame[2]:
        image[:] = ZERO
    take(plane, frame, pitch, start, image)


@jit
def _masked(
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


@jit
def _moments(y: Array, part: Array) -> None:
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
