"""The loops of half_cpu.py for any stride and kernel, on zero-gapped planes; symbols as in half.py."""

import numpy as np

from .arrays import Array
from .depthwise_cpu import Shifts, correlate, dots
from .half_rows_cpu import add, carve, combine, copy, masked, rectify, settle
from .jit import jit
from .planes_cpu import Frame, Layout, fill, take
from .products_cpu import multiply, multiply_transposed

ZERO = np.float32(0)
HERE = np.zeros(1, np.uint64)  # a 1 × 1 kernel's only shift


@jit
def forward_planes(
    x: Array, a: Array, b: Array, D: Array, P: Array, layout: Layout, frame: Frame, flat: Frame,
    down: Shifts, right: Shifts, memory: Array, y: Array, part: Array,
) -> None:  # fmt: skip
    (N, L, C, _), (R, K) = x.shape, y.shape[1:3]
    (stack, step, pitch, length), rows, cols = layout, P.shape[3], P.shape[4]
    planes, memory = carve(memory, C, frame[4] ** 2 * length)
    h, memory = carve(memory, cols, length)
    out, row = carve(memory, rows, length)
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
                        take(out[o], flat, pitch, j * step, row[: y.shape[3]])
                        settle(row[: y.shape[3]], y[n + j, r, o], False, part[:, r, o])


@jit
def backward_planes(
    g: Array, y: Array, A: Array, B: Array, E: Array, x: Array, a: Array, b: Array, mean: Array,
    D: Array, Db: Array, Pt: Array, layout: Layout, frame: Frame, flat: Frame, reach: int,
    down: Shifts, right: Shifts, up: Shifts, left: Shifts, taps: Array, learn: bool,
    memory: Array, error: Array, sums: Array, dD: Array, dP: Array,
) -> None:  # fmt: skip
    (N, L, C, size), (R, K) = x.shape, y.shape[1:3]
    (stack, step, pitch, length), phases = layout, frame[4] ** 2
    planes, memory = carve(memory, C, phases * length)
    total, memory = carve(memory, C, phases * length)
    h, memory = carve(memory, Pt.shape[3], length)
    dh, memory = carve(memory, Pt.shape[3], length)
    d, memory = carve(memory, Pt.shape[4], length)
    row = memory
    for n in range(0, N, stack):
        images = min(stack, N - n)
        count = images * step
        for lane in range(L):
            _inputs(x[n : n + images, lane], lane, a, b, layout, frame, row, planes)
            for r in range(lane, R, L):
                for j in range(images):
                    for o in range(K):
                        combine(g[n + j, r % g.shape[1], o], y[n + j, r, o], A[r, o], B[r, o], E[r, o], row)
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
                            add(row[:count], to)
                if a.size > 0:
                    for j in range(images):
                        for c in range(C):
                            _gather(total[c], frame, pitch, j * step, row[:size])
                            masked(row[:size], x[n + j, r, c], a[r, c], b[r, c], mean[r, c], sums[:, r, c])
                            copy(row[:size], error[n + j, r, c], False)
            if a.size == 0:
                for j in range(images):
                    for c in range(C):
                        _gather(total[c], frame, pitch, j * step, row[:size])
                        add(row[:size], error[n + j, lane, c])


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
                rectify(x[j, c], a[lane, c], b[lane, c], row[:size])
                fill(row[:size], frame, layout[2], j * layout[1], planes[c])


@jit
def _gather(plane: Array, frame: Frame, pitch: int, start: int, image: Array) -> None:
    """As take; pixels that no tap reaches (dilated and strided alike) are zero."""
    if frame[4] < frame[2]:
        image[:] = ZERO
    take(plane, frame, pitch, start, image)
