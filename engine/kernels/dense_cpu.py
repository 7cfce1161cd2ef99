"""The CPU twin of dense, grouped and pointwise convolutions, on the layout of columns_cpu.py.

There a tap is a constant shift of a channel's copies, and outputs lie as they do in memory:

    push    y[o, i]    = Σ_t Σ_c M[t, o, c] · x[c, i + shift[t]]
    pull    δx[c, i]   = Σ_t Σ_o M[t, o, c] · δ[o, i + shift[t]]     for each phase of x, with the taps that reach it
    outer   G[t, o, c] = Σ_i δ[o, i] · x[c, i + shift[t]]

Counts of channels are padded with zeros to fours, positions to sixteens."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from .arrays import Array, Size
from .columns_cpu import Columns, Frame, columns, fill
from .conv import Geometry
from .jit import jit
from .products_cpu import assign, multiply, multiply_transposed_images, whole
from .threads import chunks, run
from .tiles_cpu import ROWS, WIDTH

PARTIALS = 1 << 19  # the most float64 partial sums that `outer` may keep
STRETCH, SCRATCH = 1024, 1 << 17  # floats: of a sum over images in `outer`, and the most of their copies


@lru_cache(maxsize=256)
def forwards(g: Geometry, size: Size) -> tuple[Columns, Size]:
    """The copies of x, and the size of the outputs."""
    out = g.out_size(size[0]), g.out_size(size[1])
    offsets = [g.dilation * a - g.padding for a in range(g.kernel)]
    return columns(offsets, offsets, g.stride, size, out), out


class Backwards(NamedTuple):
    """The copies of δ, for all phases of x (rows and columns modulo the stride), and the taps that reach each."""

    copies: Columns
    grid: Frame  # positions of a phase in both directions; place of the first, stride; H, W
    order: Array  # the taps by the phase of x that they reach
    begin: Array  # where each phase begins in `order`


@lru_cache(maxsize=256)
def backwards(g: Geometry, size: Size) -> Backwards:
    """Position q of phase u is the row s·q + u − p of x; tap a, of phase d·a, reaches it from row q − ⌊d·a/s⌋ of δ."""
    s, first = g.stride, g.padding // g.stride
    Q = [(n - 1 + g.padding) // s - first + 1 for n in size]
    reach = [g.dilation * a for a in range(g.kernel)]
    offsets, phase = [first - r // s for r in reach], np.array(reach) % s
    copies = columns(offsets, offsets, 1, (g.out_size(size[0]), g.out_size(size[1])), (Q[0], Q[1]))
    reached = (s * phase + phase[:, None]).ravel()  # column by column of the kernel, as copies.taps
    order = np.argsort(reached, kind="stable")
    begin = np.searchsorted(reached[order], np.arange(s * s + 1))
    grid = (Q[0], Q[1], s * first - g.padding, s, *size)
    return Backwards(copies._replace(taps=copies.taps[order]), grid, order, begin)


def push(x: Array, M: Array, g: Geometry) -> Array:
    """As conv.push; x and M contiguous."""
    (N, L, C, H, W), (R, K), G = x.shape, M.shape[:2], g.groups
    (s, out), weights = forwards(g, (H, W)), tiles(_taps(M, g))
    y = np.empty((N, R, G, K // G, out[0] * out[1]), x.dtype)
    x = x.reshape(N, L, G, C // G, H * W)

    def work(first: int, last: int, _: int) -> None:
        _push(x[first:last], weights, s.taps, s.top, s.left, s.frame, s.length, y[first:last])

    run(work, chunks(N, 2 * y[0].size * M[0, 0].size))
    return y.reshape(N, R, K, *out)


def pull(delta: Array, M: Array, g: Geometry, size: Size, shared: bool) -> Array:
    """As conv.pull; delta and M contiguous."""
    (N, R, K), L, C, G = delta.shape[:3], 1 if shared else delta.shape[1], M.shape[2] * g.groups, g.groups
    s, grid, order, begin = backwards(g, size)
    weights = tiles(_taps(M, g)[..., order].swapaxes(2, 3))
    dx = np.empty((N, L, G, C // G, size[0] * size[1]), delta.dtype)
    delta = delta.reshape(N, R, G, K // G, -1)

    def work(first: int, last: int, _: int) -> None:
        _pull(
            delta[first:last], weights, s.taps, begin, s.top, s.left, s.frame, s.length, grid, dx[first:last]
        )

    run(work, chunks(N, 2 * delta[0].size * M[0, 0].size))
    return dx.reshape(N, L, C, *size)


def outer(delta: Array, x: Array, g: Geometry) -> Array:
    """As conv.outer; delta and x contiguous."""
    (N, R, K), (L, C, H, W), G, k = delta.shape[:3], x.shape[1:], g.groups, g.kernel
    s, (Ho, Wo) = forwards(g, (H, W))
    delta, x = delta.reshape(N, R, G, K // G, Ho * Wo), x.reshape(N, L, G, C // G, H * W)
    shape = (R, G, k * k, whole(K // G, ROWS), whole(C // G, ROWS))
    images = max(1, min(STRETCH // (Ho * Wo), SCRATCH // (shape[-1] * s.length)))
    most = max(2, min(32, PARTIALS // int(np.prod(shape))))
    borders = chunks(N, 2 * delta[0].size * x.shape[3] * k * k, images, most)
    sums = np.zeros((len(borders), *shape))

    def work(first: int, last: int, index: int) -> None:
        _outer(
            delta[first:last], x[first:last], s.taps, s.top, s.left, s.frame, s.length, images, sums[index]
        )

    run(work, borders)
    total = sums.sum(0)[..., : K // G, : C // G].astype(x.dtype)  # (R, G, k·k, O/G, C/G), column by column
    total = total.reshape(R, G, k, k, K // G, C // G).transpose(0, 1, 4, 5, 3, 2)
    return np.ascontiguousarray(total).reshape(R, K, C // G, k, k)


def _taps(M: Array, g: Geometry) -> Array:
    """(R, O, C/G, k, k) as (R, G, O/G, C/G, k·k), the taps column by column of the kernel."""
    (R, K, C), k, G = M.shape[:3], g.kernel, g.groups
    return M.reshape(R, G, K // G, C, k, k).swapaxes(4, 5).reshape(R, G, K // G, C, k * k)


def tiles(M: Array) -> Array:
    """(R, G, O/G, C/G, T) as (R, G, T, O/G, C/G), the channels padded with zeros to fours."""
    R, G, K, C, T = M.shape
    tiles = np.zeros((R, G, T, whole(K, ROWS), whole(C, ROWS)), M.dtype)
    tiles[..., :K, :C] = M.transpose(0, 1, 4, 2, 3)
    return tiles


@jit
def _push(
    x: Array, weights: Array, taps: Array, top: Array, left: Array, frame: Frame, length: int, y: Array
) -> None:
    (N, L, G, C, _), (R, _, _, rows, _) = x.shape, weights.shape
    K, P = y.shape[3:]
    count = whole(P, WIDTH)
    direct = count == P and rows == K  # y itself takes whole tiles
    inputs = np.zeros((C, length), np.float32)
    outputs = np.empty((rows, count), np.float32)
    for n in range(N):
        for lane in range(L):
            for g in range(G):
                for c in range(C):
                    fill(x[n, lane, g, c], top, left, frame, inputs[c])
                for r in range(lane, R, L):  # every lane where they share x
                    to = y[n, r, g] if direct else outputs
                    assign(weights[r, g], inputs, taps, to, 0, count)
                    if not direct:
                        y[n, r, g] = outputs[:K, :P]


@jit
def _pull(
    delta: Array, weights: Array, taps: Array, begin: Array,
    top: Array, left: Array, frame: Frame, length: int, grid: Frame, dx: Array,
) -> None:  # fmt: skip
    (N, L, G, C, P), (R, _, _, rows, _) = dx.shape, weights.shape
    phases, count = begin.size - 1, whole(grid[0] * grid[1], WIDTH)
    direct = phases == 1 and count == P and rows == C
    inputs = np.zeros((delta.shape[3], length), np.float32)
    total = np.empty((phases, rows, count), np.float32)
    for n in range(N):
        for lane in range(L):
            for g in range(G):
                for r in range(lane, R, L):
                    for o in range(delta.shape[3]):
                        fill(delta[n, r, g, o], top, left, frame, inputs[o])
                    for q in range(phases):
                        to, first, last = dx[n, lane, g] if direct else total[q], begin[q], begin[q + 1]
                        if r == lane:
                            assign(weights[r, g, first:last], inputs, taps[first:last], to, 0, count)
                        else:
                            multiply(weights[r, g, first:last], inputs, taps[first:last], to, 0, count)
                if not direct:
                    for c in range(C):
                        for q in range(phases):
                            _scatter(total[q, c], q, grid, dx[n, lane, g, c])


@jit
def _scatter(plane: Array, phase: int, grid: Frame, image: Array) -> None:
    """The positions of one phase to their places in the image (H·W,)."""
    rows, cols, start, s, H, W = grid
    u, v = start + phase // s, start + phase % s
    first = (max(0, -v) + s - 1) // s
    last = max(first, min(cols, (W - v + s - 1) // s))
    for i in range(rows):
        if 0 <= u + s * i < H:
            a, b = np.uint64(i * cols + first), np.uint64((u + s * i) * W + v + s * first)
            for j in range(np.uint64(last - first)):
                image[b + j * np.uint64(s)] = plane[a + j]


@jit
def _outer(
    delta: Array, x: Array, taps: Array,
    top: Array, left: Array, frame: Frame, length: int, stretch: int, sums: Array,
) -> None:  # fmt: skip
    (N, L, G, C, _), (R, _, _, rows, cols), (K, P) = x.shape, sums.shape, delta.shape[3:]
    count = whole(P, WIDTH)
    direct = count == P and rows == K
    inputs = np.zeros((stretch, cols, length), np.float32)
    padded = np.zeros((stretch, 1, rows, count), np.float32)
    for n in range(0, N, stretch):
        images = min(stretch, N - n)
        for lane in range(L):
            for g in range(G):
                for j in range(images):
                    for c in range(C):
                        fill(x[n + j, lane, g, c], top, left, frame, inputs[j, c])
                for r in range(lane, R, L):
                    if not direct:
                        padded[:images, 0, :K, :P] = delta[n : n + images, r, g]
                    d = delta[n : n + images, r, g] if direct else padded[:images, 0]
                    multiply_transposed_images(d, inputs[:images], taps, count, sums[r, g])
