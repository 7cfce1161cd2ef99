"""The CPU twin of dense, grouped and pointwise convolutions, on the layout of columns_cpu.py.

There a tap is a constant shift of a channel's copies, and outputs lie as they do in memory:

    push    y[o, i]    = Σ_t Σ_c M[t, o, c] · x[c, i + shift[t]]
    pull    δx[c, i]   = Σ_t Σ_o M[t, o, c] · δ[o, i + shift[t]]     for each phase of x, with the taps that reach it
    outer   G[t, o, c] = Σ_i δ[o, i] · x[c, i + shift[t]]

Counts of channels are padded with zeros to fours, positions to sixteens. Where there is one tap and nothing to pad,
images are read as they lie."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from . import narrow_cpu
from .arrays import Array, Size
from .columns_cpu import Columns, Frame, columns, fill
from .conv import Geometry
from .jit import in_order, jit
from .products_cpu import assign, multiply, multiply_transposed_images, whole
from .taps_cpu import EIGHT, interleave
from .tiles_cpu import ROWS, WIDTH
from .ways_cpu import Map, Sum, mapped, summed

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
    out = g.out_size(x.shape[3]), g.out_size(x.shape[4])
    return mapped(pusher(M, g, (x.shape[3], x.shape[4])), x, np.empty((len(x), *M.shape[:2], *out), x.dtype))


def pull(delta: Array, M: Array, g: Geometry, size: Size, shared: bool) -> Array:
    """As conv.pull; delta and M contiguous."""
    dx = np.empty((len(delta), 1 if shared else len(M), M.shape[2] * g.groups, *size), delta.dtype)
    return mapped(puller(M, g, size), delta, dx)


def outer(delta: Array, x: Array, g: Geometry) -> Array:
    """As conv.outer; delta and x contiguous."""
    M = (*delta.shape[1:3], x.shape[2] // g.groups)
    return summed(summer(M, g, (x.shape[3], x.shape[4]), len(x)), delta, x)


def pusher(M: Array, g: Geometry, size: Size, count: int = 0) -> Map:
    """y = M x of images of this size; of the whole batch there are `count`."""
    (R, K, C), G = M.shape[:3], g.groups
    (s, out), weights = forwards(g, size), tiles(_taps(M, g))

    def work(x: Array, y: Array) -> None:
        x, y = x.reshape(*x.shape[:2], G, C, -1), y.reshape(len(y), R, G, K // G, -1)
        _push(x, weights, s.taps, s.top, s.left, s.frame, s.length, whole_vectors(g, size), y)

    return Map(work, 2.0 * M.size * out[0] * out[1], 1)


def puller(M: Array, g: Geometry, size: Size, count: int = 0) -> Map:
    """δx = Mᵀ δ, for x of this size; the sum over lanes where δx has one."""
    (R, K, C), G = M.shape[:3], g.groups
    s, grid, order, begin = backwards(g, size)
    weights = tiles(_taps(M, g)[..., order].swapaxes(2, 3))

    def work(delta: Array, dx: Array) -> None:
        delta, dx = delta.reshape(len(delta), R, G, K // G, -1), dx.reshape(*dx.shape[:2], G, C, -1)
        as_is = whole_vectors(g, size)
        _pull(delta, weights, s.taps, begin, s.top, s.left, s.frame, s.length, as_is, grid, dx)

    return Map(work, 2.0 * M.size * g.out_size(size[0]) * g.out_size(size[1]), 1)


def summer(M: tuple[int, int, int], g: Geometry, size: Size, count: int) -> Sum:
    """The gradient of M (R, O, C/groups, ...) from x of this size."""
    if M[2] < ROWS and narrow_cpu.suits(M, g, size):
        return narrow_cpu.summer(M, g, size)
    (R, K, C), G, k = M, g.groups, g.kernel
    s, (Ho, Wo) = forwards(g, size)
    shape = (R, G, k * k, whole(K // G, ROWS), whole(C, ROWS))
    images = max(1, min(STRETCH // (Ho * Wo), SCRATCH // (shape[-1] * s.length)))

    def work(delta: Array, x: Array, sums: Array) -> None:
        delta, x = delta.reshape(len(delta), R, G, K // G, Ho * Wo), x.reshape(*x.shape[:2], G, C, -1)
        as_is = whole_vectors(g, size) and C % ROWS == 0
        _outer(delta, x, s.taps, s.top, s.left, s.frame, s.length, as_is, images, sums)

    def finish(sums: Array) -> Array:
        total = sums[..., : K // G, :C].astype(np.float32)  # (R, G, k·k, O/G, C/G), column by column
        total = total.reshape(R, G, k, k, K // G, C).transpose(0, 1, 4, 5, 3, 2)
        return np.ascontiguousarray(total).reshape(R, K, C, k, k)

    most = max(2, min(32, PARTIALS // int(np.prod(shape))))
    return Sum(work, 2.0 * R * K * C * k * k * Ho * Wo, images, shape, most, finish)


def whole_vectors(g: Geometry, size: Size) -> bool:
    """Whether an image needs no copy: a tap for each pixel, and vectors that end where it ends."""
    return (g.kernel, g.stride, g.padding) == (1, 1, 0) and size[0] * size[1] % WIDTH == 0


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
    x: Array,
    weights: Array,
    taps: Array,
    top: Array,
    left: Array,
    frame: Frame,
    length: int,
    as_is: bool,
    y: Array,
) -> None:
    (N, L, G, C, _), (R, _, _, rows, _) = x.shape, weights.shape
    K, P = y.shape[3:]
    count = whole(P, WIDTH)
    direct = count == P and rows == K  # y itself takes whole tiles
    copies = np.zeros((C, 0 if as_is else length), np.float32)
    outputs = np.empty((rows, count), np.float32)
    for n in range(N):
        for lane in range(L):
            for g in range(G):
                inputs = x[n, lane, g] if as_is else copies
                for c in range(0 if as_is else C):
                    fill(x[n, lane, g, c], top, left, frame, copies[c])
                for r in range(lane, R, L):  # every lane where they share x
                    to = y[n, r, g] if direct else outputs
                    assign(weights[r, g], inputs, taps, to, 0, count)
                    if not direct:
                        _copy(outputs, y[n, r, g])


@jit
def _pull(
    delta: Array, weights: Array, taps: Array, begin: Array,
    top: Array, left: Array, frame: Frame, length: int, as_is: bool, grid: Frame, dx: Array,
) -> None:  # fmt: skip
    (N, L, G, C, P), (R, _, _, rows, _) = dx.shape, weights.shape
    phases, count = begin.size - 1, whole(grid[0] * grid[1], WIDTH)
    direct = phases == 1 and count == P and rows == C
    K = delta.shape[3]
    copies = np.zeros((K, 0 if as_is else length), np.float32)
    total = np.empty((phases, rows, count), np.float32)
    for n in range(N):
        for lane in range(L):
            for g in range(G):
                for r in range(lane, R, L):
                    inputs = delta[n, r, g] if as_is else copies
                    for o in range(0 if as_is else K):
                        fill(delta[n, r, g, o], top, left, frame, copies[o])
                    for q in range(phases):
                        to, first, last = dx[n, lane, g] if direct else total[q], begin[q], begin[q + 1]
                        if r == lane:
                            assign(weights[r, g, first:last], inputs, taps[first:last], to, 0, count)
                        else:
                            multiply(weights[r, g, first:last], inputs, taps[first:last], to, 0, count)
                if not direct:
                    for c in range(C):
                        if phases == 4 and grid[5] >= 2 * EIGHT:
                            _weave(total[:, c], grid, dx[n, lane, g, c])
                        else:
                            for q in range(phases):
                                _scatter(total[q, c], q, grid, dx[n, lane, g, c])


@in_order
def _copy(x: Array, y: Array) -> None:
    """What both hold; an assignment of slices would be compiled for five seconds, to say how shapes differ."""
    for o in range(min(len(x), len(y))):
        for i in range(min(x.shape[1], y.shape[1])):
            y[o, i] = x[o, i]


@jit
def _weave(planes: Array, grid: Frame, image: Array) -> None:
    """All four phases of stride 2 (4, rows·cols) to the image (H·W,), two of them to each row; W of 16 or more."""
    rows, cols, start, _, H, W = grid
    v = -start % 2  # the phase of even columns
    even, odd = -(start + v) // 2, (v - start) // 2  # where they begin in it, and odd ones in theirs
    last = W // 2 - EIGHT
    for u in range(2):
        first = max(0, -((start + u) // 2))  # the first row of the phase that the image has
        top = start + u + 2 * first
        count = min(rows - first, (H - top + 1) // 2)
        x, y, to = (
            planes[2 * u + v, first * cols + even :],
            planes[2 * u + 1 - v, first * cols + odd :],
            image[top * W :],
        )
        interleave(x, y, to, count, W // 2 // EIGHT * EIGHT, cols, 2 * W)
        interleave(x[last:], y[last:], to[2 * last :], count, EIGHT, cols, 2 * W)
        if W % 2:
            for i in range(count):
                to[2 * W * i + W - 1] = x[cols * i + W // 2]


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
    top: Array, left: Array, frame: Frame, length: int, as_is: bool, stretch: int, sums: Array,
) -> None:  # fmt: skip
    (N, L, G, C, _), (R, _, _, rows, cols), (K, P) = x.shape, sums.shape, delta.shape[3:]
    count = whole(P, WIDTH)
    direct = count == P and rows == K
    copies = np.zeros((stretch, cols, 0 if as_is else length), np.float32)
    padded = np.zeros((stretch, 1, rows, count), np.float32)
    for n in range(0, N, stretch):
        images = min(stretch, N - n)
        for lane in range(L):
            for g in range(G):
                inputs = x[n : n + images, lane, g] if as_is else copies[:images]
                for j in range(0 if as_is else images):
                    for c in range(C):
                        fill(x[n + j, lane, g, c], top, left, frame, copies[j, c])
                for r in range(lane, R, L):
                    for j in range(0 if direct else images):
                        _copy(delta[n + j, r, g], padded[j, 0])
                    d = delta[n : n + images, r, g] if direct else padded[:images, 0]
                    multiply_transposed_images(d, inputs, taps, count, sums[r, g])
