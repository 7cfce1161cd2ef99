"""The CPU twin of dense, grouped and pointwise convolutions, on zero-gapped planes.

There a tap is a constant shift, so each product runs on the planes themselves, with no copy for every tap:

    push    y[o, i]    = Σ_t Σ_c M[t, o, c] · x[c, i + shift[t]]
    pull    δx[c, i]   = Σ_t Σ_o M[t, o, c] · δ[o, i − shift[t]]     for each phase of x
    outer   G[t, o, c] = Σ_i δ[o, i] · x[c, i + shift[t]]

The products run in tiles of four by four channels (counts are padded with zeros) over blocks that stay in the
nearest cache. A 1 × 1 convolution with no padding needs no planes: an image is a plane already."""

import numpy as np

from .arrays import Array, Size
from .conv import Geometry
from .jit import jit
from .planes_cpu import Frame, Layout, fill, planes, take
from .products_cpu import multiply, multiply_transposed
from .threads import chunks, run

PARTIALS = 1 << 23  # the most float64 partial sums that `outer` may keep


def push(x: Array, M: Array, g: Geometry) -> Array:
    """As conv.push; x and M contiguous."""
    (N, L, C, H, W), (R, K) = x.shape, M.shape[:2]
    s = planes(g, (H, W), N)
    weights = _tiles(M.reshape(R, g.groups, K // g.groups, C // g.groups, -1))
    y = np.empty((N, R, g.groups, K // g.groups, s.out[0] * s.out[1]), x.dtype)
    x = x.reshape(N, L, g.groups, C // g.groups, H * W)
    plain = _plain(g, x.shape[3], y.shape[3])

    def work(first: int, last: int, _: int) -> None:
        _push(x[first:last], weights, s.taps(), s.layout, s.frame, s.flat, plain, y[first:last])

    run(work, chunks(N, 2 * y[0].size * M[0, 0].size, s.stack))
    return y.reshape(N, R, K, *s.out)


def pull(delta: Array, M: Array, g: Geometry, size: Size, shared: bool) -> Array:
    """As conv.pull; delta and M contiguous."""
    (N, R, K), L, C = delta.shape[:3], 1 if shared else delta.shape[1], M.shape[2] * g.groups
    s = planes(g, size, N)
    shifts = s.taps()
    order = np.argsort(shifts // np.uint64(s.length), kind="stable")  # the taps that reach each phase of x
    begin = np.searchsorted(shifts[order] // np.uint64(s.length), np.arange(s.phases**2 + 1))
    back = np.uint64(s.reach) - shifts[order] % np.uint64(s.length)
    weights = _tiles(M.reshape(R, g.groups, K // g.groups, C // g.groups, -1)[..., order].swapaxes(2, 3))
    dx = np.zeros((N, L, g.groups, C // g.groups, size[0] * size[1]), delta.dtype)
    delta = delta.reshape(N, R, g.groups, K // g.groups, -1)
    plain = _plain(g, dx.shape[3], delta.shape[3])

    def work(first: int, last: int, _: int) -> None:
        _pull(delta[first:last], weights, back, begin, s.layout, s.frame, s.flat, plain, dx[first:last])

    run(work, chunks(N, 2 * delta[0].size * M[0, 0].size, s.stack))
    return dx.reshape(N, L, C, *size)


def outer(delta: Array, x: Array, g: Geometry) -> Array:
    """As conv.outer; delta and x contiguous."""
    (N, R, K), (L, C, H, W), k = delta.shape[:3], x.shape[1:], g.kernel
    s = planes(g, (H, W), N)
    delta, x = (
        delta.reshape(N, R, g.groups, K // g.groups, -1),
        x.reshape(N, L, g.groups, C // g.groups, H * W),
    )
    shape = (R, g.groups, k * k, _four(K // g.groups), _four(C // g.groups))
    most = max(2, min(32, PARTIALS // int(np.prod(shape))))
    borders = chunks(N, 2 * delta[0].size * x.shape[3] * k * k, s.stack, most)
    sums = np.zeros((len(borders), *shape))
    plain = _plain(g, x.shape[3], delta.shape[3])

    def work(first: int, last: int, index: int) -> None:
        _outer(delta[first:last], x[first:last], s.taps(), s.layout, s.frame, s.flat, plain, sums[index])

    run(work, borders)
    total = sums.sum(0)[..., : K // g.groups, : C // g.groups].astype(x.dtype)  # (R, G, k·k, O/G, C/G)
    return np.ascontiguousarray(np.moveaxis(total, 2, -1)).reshape(R, K, C // g.groups, k, k)


def _four(count: int) -> int:
    return -(-count // 4) * 4


def _plain(g: Geometry, inputs: int, outputs: int) -> bool:
    """Whether images may be multiplied where they lie."""
    return g.kernel == g.stride == 1 and g.padding == 0 and inputs % 4 == outputs % 4 == 0


def _tiles(M: Array) -> Array:
    """(R, G, O/G, C/G, T) as (R, G, T, O/G, C/G), the channels padded with zeros to fours."""
    R, G, K, C, T = M.shape
    tiles = np.zeros((R, G, T, _four(K), _four(C)), M.dtype)
    tiles[..., :K, :C] = np.moveaxis(M, -1, 2)
    return tiles


@jit
def _push(
    x: Array, weights: Array, shifts: Array, layout: Layout, frame: Frame, flat: Frame, plain: bool, y: Array
) -> None:
    (N, L, G, C, P), (R, _, _, rows, cols) = x.shape, weights.shape
    stack, step, pitch, floats = layout
    if plain:
        for n in range(N):
            for r in range(R):
                for g in range(G):
                    y[n, r, g] = 0
                    multiply(weights[r, g], x[n, r % L, g], shifts, y[n, r, g], 0, P)
        return
    inputs, out = np.zeros((cols, floats), np.float32), np.zeros((rows, stack * step), np.float32)
    for n in range(0, N, stack):
        images = min(stack, N - n)
        for lane in range(L):
            for g in range(G):
                for j in range(images):
                    for c in range(C):
                        fill(x[n + j, lane, g, c], frame, pitch, j * step, inputs[c])
                for r in range(lane, R, L):  # every lane where they share x
                    out[:] = 0
                    multiply(weights[r, g], inputs, shifts, out, 0, images * step)
                    for j in range(images):
                        for o in range(y.shape[3]):
                            take(out[o], flat, pitch, j * step, y[n + j, r, g, o])


@jit
def _pull(
    delta: Array, weights: Array, back: Array, begin: Array, layout: Layout, frame: Frame, flat: Frame,
    plain: bool, dx: Array,
) -> None:  # fmt: skip
    (N, L, G, C, P), (R, _, _, rows, cols) = dx.shape, weights.shape
    stack, step, pitch, floats = layout
    if plain:  # dx holds zeros
        for n in range(N):
            for r in range(R):
                for g in range(G):
                    multiply(weights[r, g], delta[n, r, g], back, dx[n, r % L, g], 0, P)
        return
    phases = begin.size - 1
    length = floats // phases
    reach = int(back.max())
    inputs, total = np.zeros((cols, reach + stack * step), np.float32), np.zeros((rows, floats), np.float32)
    for n in range(0, N, stack):
        images = min(stack, N - n)
        for lane in range(L):
            for g in range(G):
                total[:] = 0
                for r in range(lane, R, L):
                    for j in range(images):
                        for o in range(delta.shape[3]):
                            fill(delta[n + j, r, g, o], flat, pitch, reach + j * step, inputs[o])
                    for q in range(phases):
                        taps = back[begin[q] : begin[q + 1]]
                        w = weights[r, g, begin[q] : begin[q + 1]]
                        multiply(w, inputs, taps, total, q * length, images * step)
                for j in range(images):
                    for c in range(C):
                        take(total[c], frame, pitch, j * step, dx[n + j, lane, g, c])


@jit
def _outer(
    delta: Array, x: Array, shifts: Array, layout: Layout, frame: Frame, flat: Frame, plain: bool, sums: Array
) -> None:
    (N, L, G, C, P), (R, _, _, rows, cols) = x.shape, sums.shape
    stack, step, pitch, floats = layout
    if plain:
        for n in range(N):
            for r in range(R):
                for g in range(G):
                    multiply_transposed(delta[n, r, g], x[n, r % L, g], shifts, P, sums[r, g])
        return
    inputs, d = np.zeros((cols, floats), np.float32), np.zeros((rows, stack * step), np.float32)
    for n in range(0, N, stack):
        images = min(stack, N - n)
        for lane in range(L):
            for g in range(G):
                for j in range(images):
                    for c in range(C):
                        fill(x[n + j, lane, g, c], frame, pitch, j * step, inputs[c])
                for r in range(lane, R, L):
                    for j in range(images):
                        for o in range(delta.shape[3]):
                            fill(delta[n + j, r, g, o], flat, pitch, j * step, d[o])
                    multiply_transposed(d, inputs, shifts, images * step, sums[r, g])
