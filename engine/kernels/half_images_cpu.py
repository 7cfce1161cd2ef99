"""The loops of half_cpu.py with whole vectors of pixels (images_cpu.py); symbols as in half.py.

Only what a depthwise product reads is padded; h, δ, y and all else lie as in memory, so nothing is computed in
vain. A forward pass goes through an image in bands of rows, a backward pass in groups of channels, whose floats stay
in the nearest cache from step to step. Small images are taken several at a time, for long sums in dP."""

import numpy as np

from .arrays import Array
from .half_rows_cpu import add, carve, combine, copy, masked, rectify, settle
from .images_cpu import ROWS, Maps, associate, correlate, spread, weave
from .jit import jit
from .products_cpu import assign, multiply_transposed_images

HERE = np.zeros(1, np.uint64)  # a 1 × 1 kernel's only shift
LANES = 16
NEAREST = 4096  # floats that the rows of a step should have: half of the nearest cache


@jit
def forward_images(
    x: Array, a: Array, b: Array, D: Array, P: Array, maps: Maps, past_caches: bool,
    memory: Array, y: Array, part: Array,
) -> None:  # fmt: skip
    (N, L, C, size), (R, K), s = x.shape, y.shape[1:3], maps.x.phases
    H, W, d, grid, least = maps.H, maps.W, maps.d, maps.x, ROWS * maps.d
    band = H if H == W == 8 else min(H, max(1, NEAREST // (C * W * least)) * least)
    planes, memory = carve(memory, C, s * s * grid.length)
    h, memory = carve(memory, P.shape[4], (band + least) * W)
    out, row = carve(memory, P.shape[3], (band + least) * W)
    for n in range(N):
        for lane in range(L):
            _inputs(x[n, lane], lane, a, b, maps, row[:size], planes)
            for r in range(lane, R, L):  # every lane where they share x
                top = 0
                while top < H:
                    high = band if H - top - band >= least else H - top
                    first, last = top * W, (top + high) * W
                    correlate(D[r], planes, h, grid, s, d, top, high, W)
                    assign(P[r, 0], h, HERE, out, 0, last - first)
                    for o in range(K):
                        settle(out[o, : last - first], y[n, r, o, first:last], past_caches, part[:, r, o])
                    top += high


@jit
def backward_images(
    g: Array, y: Array, A: Array, B: Array, E: Array, x: Array, a: Array, b: Array, mean: Array,
    D: Array, Db: Array, Pt: Array, maps: Maps, stack: int, learn: bool, past_caches: bool,
    memory: Array, error: Array, sums: Array, dD: Array, dP: Array,
) -> None:  # fmt: skip
    """Db: as images_cpu.back_weights gives it."""
    (N, L, C, full), (R, K, size), k = x.shape, y.shape[1:], D.shape[2]
    H, W, d, s = maps.H, maps.W, maps.d, maps.x.phases
    top = np.int64(0)  # a literal would be compiled once more
    cols, rows, group = Pt.shape[3], Pt.shape[4], min(C, max(1, NEAREST // size))
    planes, memory = carve(memory, stack * C, s * s * maps.x.length)
    above, memory = carve(memory, group, maps.y.length)
    back, memory = carve(memory, s * s * group, size)
    h, memory = carve(memory, stack * cols, size)
    delta, memory = carve(memory, stack * rows, size)
    dh, memory = carve(memory, cols, size)
    lanes, memory = carve(memory, R * C * k * k, LANES)
    zeros, row = carve(memory, 1, size)
    G, back, nothing = lanes.reshape(R, C, k * k, LANES), back.reshape(s * s, group, size), zeros[0]
    for n in range(0, N, stack):
        images = min(stack, N - n)
        for lane in range(L):
            for j in range(images):
                _inputs(x[n + j, lane], lane, a, b, maps, row[:full], planes[j * C : (j + 1) * C])
            for r in range(lane, R, L):
                for j in range(images):
                    for o in range(K):
                        up, to = g[n + j, r % g.shape[1], o], delta[j * rows + o]
                        combine(up, y[n + j, r, o], A[r, o], B[r, o], E[r, o], to)
                if learn:
                    for j in range(images):
                        correlate(D[r], planes[j * C : (j + 1) * C], h[j * cols :], maps.x, s, d, top, H, W)
                    left, right = delta.reshape(stack, rows, size), h.reshape(stack, cols, size)
                    multiply_transposed_images(left[:images], right[:images], HERE, size, dP[r])
                for j in range(images):
                    assign(Pt[r, 0], delta[j * rows : (j + 1) * rows], HERE, dh, 0, size)
                    for first in range(0, C, group):
                        last = min(first + group, C)
                        if learn:
                            pre = planes[j * C + first : j * C + last]
                            associate(G[r, first:last], pre, dh[first:last], maps.x, s, d, H, W)
                        for c in range(first, last):
                            spread(dh[c], maps.y, above[c - first])
                        for phase in range(s * s):
                            correlate(
                                Db[r, phase, first:last], above, back[phase], maps.y, maps.y.s, d, top, H, W
                            )
                        for c in range(first, last):
                            e = back[0, c - first]
                            if maps.x.s == 2:
                                e = row[:full]
                                weave(back, c - first, maps, nothing, e)
                            if a.size > 0:
                                masked(e, x[n + j, r, c], a[r, c], b[r, c], mean[r, c], sums[:, r, c])
                                copy(e, error[n + j, r, c], past_caches)
                            else:
                                add(e, error[n + j, lane, c])
    for r in range(R):
        for c in range(C):
            for t in range(k * k):
                dD[r, c, t] += G[r, c, t].sum()


@jit
def _inputs(x: Array, lane: int, a: Array, b: Array, maps: Maps, row: Array, planes: Array) -> None:
    """z of every channel onto its planes."""
    for c in range(len(x)):
        if a.size == 0:
            spread(x[c], maps.x, planes[c])
        else:
            rectify(x[c], a[lane, c], b[lane, c], row)
            spread(row, maps.x, planes[c])
