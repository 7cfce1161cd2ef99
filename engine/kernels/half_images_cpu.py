"""The loops of half_cpu.py for stride 1, with whole vectors of pixels (images_cpu.py); symbols as in half.py.

Only what a depthwise product reads is padded; h, δ, y and all else lie as in memory, so nothing is computed in
vain. Small images are taken several at a time, for long sums in dP."""

import numpy as np

from .arrays import Array
from .half_rows_cpu import add, carve, combine, masked, moments, rectify
from .images_cpu import associate, correlate, pad
from .jit import jit
from .products_cpu import multiply, multiply_transposed_images

ZERO = np.float32(0)
HERE = np.zeros(1, np.uint64)  # a 1 × 1 kernel's only shift
LANES = 16


@jit
def forward_images(
    x: Array, a: Array, b: Array, D: Array, P: Array, H: int, W: int, d: int, length: int,
    memory: Array, y: Array, part: Array,
) -> None:  # fmt: skip
    (N, L, C, size), (R, K), rows = x.shape, y.shape[1:3], P.shape[3]
    p = d * (D.shape[2] - 1) // 2
    planes, memory = carve(memory, C, length)
    h, memory = carve(memory, P.shape[4], size)
    out, row = carve(memory, rows, size)
    for n in range(N):
        for lane in range(L):
            _inputs(x[n, lane], lane, a, b, H, W, p, row[:size], planes)
            for r in range(lane, R, L):  # every lane where they share x
                for c in range(C):
                    correlate(planes[c], D[r, c], H, W, d, h[c])
                out[:] = ZERO
                multiply(P[r, 0], h, HERE, out, 0, size)
                for o in range(K):
                    y[n, r, o] = out[o]
                    moments(out[o], part[:, r, o])


@jit
def backward_images(
    g: Array, y: Array, A: Array, B: Array, E: Array, x: Array, a: Array, b: Array, mean: Array,
    D: Array, Db: Array, Pt: Array, H: int, W: int, d: int, length: int, stack: int, learn: bool,
    memory: Array, error: Array, sums: Array, dD: Array, dP: Array,
) -> None:  # fmt: skip
    """Db: the feedback's taps in reverse order."""
    (N, L, C, size), (R, K), k = x.shape, y.shape[1:3], D.shape[2]
    p, cols, rows = d * (k - 1) // 2, Pt.shape[3], Pt.shape[4]
    planes, memory = carve(memory, stack * C, length)
    plane, memory = carve(memory, 1, length)
    h, memory = carve(memory, stack * cols, size)
    delta, memory = carve(memory, stack * rows, size)
    dh, memory = carve(memory, cols, size)
    lanes, row = carve(memory, R * C * k * k, LANES)
    for n in range(0, N, stack):
        images = min(stack, N - n)
        for lane in range(L):
            for j in range(images):
                _inputs(x[n + j, lane], lane, a, b, H, W, p, row[:size], planes[j * C : (j + 1) * C])
            for r in range(lane, R, L):
                for j in range(images):
                    for o in range(K):
                        up, to = g[n + j, r % g.shape[1], o], delta[j * rows + o]
                        combine(up, y[n + j, r, o], A[r, o], B[r, o], E[r, o], to)
                if learn:
                    for j in range(images):
                        for c in range(C):
                            correlate(planes[j * C + c], D[r, c], H, W, d, h[j * cols + c])
                    left, right = delta.reshape(stack, rows, size), h.reshape(stack, cols, size)
                    multiply_transposed_images(left[:images], right[:images], HERE, size, dP[r])
                for j in range(images):
                    dh[:] = ZERO
                    multiply(Pt[r, 0], delta[j * rows : (j + 1) * rows], HERE, dh, 0, size)
                    for c in range(C):
                        if learn:
                            to = lanes[(r * C + c) * k * k : (r * C + c + 1) * k * k]
                            associate(planes[j * C + c], dh[c], k, H, W, d, to)
                        pad(dh[c], H, W, p, plane[0])
                        correlate(plane[0], Db[r, c], H, W, d, row[:size])
                        if a.size > 0:
                            z, to = x[n + j, r, c], error[n + j, r, c]
                            masked(row[:size], z, a[r, c], b[r, c], mean[r, c], to, sums[:, r, c])
                        else:
                            add(row[:size], error[n + j, lane, c])
    for r in range(R):
        for c in range(C):
            for t in range(k * k):
                dD[r, c, t] += lanes[(r * C + c) * k * k + t].sum()


@jit
def _inputs(
    x: Array, lane: int, a: Array, b: Array, H: int, W: int, p: int, row: Array, planes: Array
) -> None:
    """z of every channel onto its plane."""
    for c in range(len(x)):
        if a.size == 0:
            pad(x[c], H, W, p, planes[c])
        else:
            rectify(x[c], a[lane, c], b[lane, c], row)
            pad(row, H, W, p, planes[c])
