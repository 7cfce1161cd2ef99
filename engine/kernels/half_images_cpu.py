"""The loops of half_cpu.py with whole vectors of pixels (images_cpu.py); symbols as in half.py.

Only what a depthwise product reads is padded; h, δ, y and all else lie as in memory, so nothing is computed in
vain. A forward pass goes through an image in bands of rows, a backward pass in groups of channels, whose floats stay
in the nearest cache from step to step. Small images are taken several at a time, for long sums in dP."""

import numpy as np

from .arrays import Array
from .half_rows_cpu import add, carve, combine, copy, masked, rectify, settle
from .images_cpu import ROWS, Maps, associate, correlate, spread
from .images_cpu import rectify as rectify_onto
from .jit import jit
from .products_cpu import assign, multiply_transposed_images
from .weave_cpu import crop, weave

HERE = np.zeros(1, np.uint64)  # a 1 × 1 kernel's only shift
LANES = 16
NEAREST = 4096  # floats that the rows of a step should have: half of the nearest cache


@jit
def lanes_together(maps: Maps, L: int, R: int) -> int:
    """How many lanes go together: with stride 2 all that share x, for their maps are small beside it."""
    return R // L if maps.x.s == 2 else 1


@jit
def forward_images(
    x: Array, a: Array, b: Array, D: Array, P: Array, maps: Maps, past_caches: bool,
    memory: Array, y: Array, part: Array,
) -> None:  # fmt: skip
    (N, L, C, size), (R, K), s = x.shape, y.shape[1:3], maps.x.phases
    together = lanes_together(maps, L, R)
    H, W, d, grid, least = maps.H, maps.W, maps.d, maps.x, ROWS * maps.d
    band = H if H == W == 8 else min(H, max(1, NEAREST // (C * W * least)) * least)
    none = np.int64(0)  # a literal would be compiled once more
    planes, memory = carve(memory, C, s * s * grid.length)
    flat, memory = carve(memory, together * P.shape[4], (band + least) * W)
    out, row = carve(memory, P.shape[3], (band + least) * W)
    h = flat.reshape(together, P.shape[4], (band + least) * W)
    for n in range(N):
        for lane in range(L):
            _inputs(x[n, lane], lane, none, C, a, b, maps, row[:size], planes)
            for low in range(lane, R, L * together):  # every lane where they share x
                high = min(low + together, R)
                for top in range(0, H - least + 1, band):
                    tall = band if H - top - band >= least else H - top
                    first, last = top * W, (top + tall) * W
                    correlate(D[low:high, :C], planes, h[:, :C], grid, s, d, top, tall, W)
                    for r in range(low, high):
                        assign(P[r, 0], h[r - low], HERE, out, 0, last - first)
                        for o in range(K):
                            settle(out[o, : last - first], y[n, r, o, first:last], past_caches, part[:, r, o])


@jit
def backward_images(
    g: Array, y: Array, A: Array, B: Array, E: Array, x: Array, a: Array, b: Array, mean: Array,
    D: Array, Db: Array, Pt: Array, maps: Maps, stack: int, learn: bool, past_caches: bool,
    memory: Array, length: int, error: Array, sums: Array, dD: Array, dP: Array,
) -> None:  # fmt: skip
    """Db: each kernel turned round with stride 1, as it is with stride 2. length: images_cpu.apart(size)."""
    (N, L, C, full), (R, K, size), k = x.shape, y.shape[1:], D.shape[2]
    H, W, d, s, strided = maps.H, maps.W, maps.d, maps.x.phases, maps.x.s == 2
    together = lanes_together(maps, L, R)
    top = np.int64(0)  # a literal would be compiled once more
    cols, rows, group = Pt.shape[3], Pt.shape[4], min(C, max(1, NEAREST // (s * s * size)))
    planes, memory = carve(memory, stack * C, s * s * maps.x.length)
    above, memory = carve(memory, together if strided else group, maps.y.length)
    back, memory = carve(memory, group, 4 * size if strided else size)
    flat_h, memory = carve(memory, together * stack * cols, length)
    flat_delta, memory = carve(memory, together * stack * rows, length)
    flat_dh, memory = carve(memory, together * cols, length)
    flat_G, row = carve(memory, R * C * k * k, LANES)
    h, dh = flat_h.reshape(together, stack, cols, length), flat_dh.reshape(together, cols, length)
    delta, G = flat_delta.reshape(together, stack, rows, length), flat_G.reshape(R, C, k * k, LANES)
    for n in range(0, N, stack):
        images = min(stack, N - n)
        for lane in range(L):
            for low in range(lane, R, L * together):
                high = min(low + together, R)
                for j in range(images):
                    pre, to = planes[j * C : (j + 1) * C], error[n + j]
                    for r in range(low, high):
                        for o in range(K):
                            up, out = g[n + j, r % g.shape[1], o], delta[r - low, j, o, :size]
                            combine(up, y[n + j, r, o], A[r, o], B[r, o], E[r, o], out)
                        assign(Pt[r, 0], delta[r - low, j], HERE, dh[r - low], 0, size)
                    for first in range(0, C, group):
                        last = min(first + group, C)
                        if learn and low == lane:
                            _inputs(x[n + j, lane], lane, first, last, a, b, maps, row[:full], pre)
                        if learn:
                            some = pre[first:last]
                            correlate(
                                D[low:high, first:last], some, h[:, j, first:last], maps.x, s, d, top, H, W
                            )
                            associate(G[low:high, first:last], some, dh[:, first:last], maps.x, s, d, H, W)
                        for c in range(first, last):
                            for r in range(high - low):
                                spread(dh[r, c, :size], maps.y, above[r if strided else c - first])
                            if strided:
                                weave(Db[low:high, c], above, back[c - first], maps)
                        if not strided:
                            found = back.reshape(1, group, size)[:, : last - first]
                            correlate(Db[low:high, first:last], above, found, maps.y, maps.y.s, d, top, H, W)
                        for c in range(first, last):
                            e = back[c - first]
                            if full < e.size:
                                crop(e, maps, row[:full])
                                e = row[:full]
                            if a.size > 0:
                                masked(
                                    e, x[n + j, low, c], a[low, c], b[low, c], mean[low, c], sums[:, low, c]
                                )
                                copy(e, to[low, c], past_caches)
                            else:
                                add(e, to[lane, c])
                if learn:
                    for r in range(low, high):
                        multiply_transposed_images(
                            delta[r - low, :images], h[r - low, :images], HERE, size, dP[r]
                        )
    for r in range(R):
        for c in range(C):
            for t in range(k * k):
                dD[r, c, t] += G[r, c, t].sum()


@jit
def _inputs(
    x: Array, lane: int, first: int | np.int64, last: int, a: Array, b: Array, maps: Maps, row: Array, planes: Array,
) -> None:  # fmt: skip
    """z of channels [first, last) onto their planes."""
    for c in range(first, last):
        if a.size == 0:
            spread(x[c], maps.x, planes[c])
        elif maps.x.s == 1:
            rectify_onto(x[c], a[lane, c], b[lane, c], maps.x, planes[c])
        else:
            rectify(x[c], a[lane, c], b[lane, c], row)
            spread(row, maps.x, planes[c])
