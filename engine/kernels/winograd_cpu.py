"""Dense 3 x 3 convolutions of stride 1 with half of the products: F(4, 3) of Winograd (1980), down the columns.

Four output rows need six input rows, and 3 · 4 products of each pixel. The polynomials behind them agree already
where they agree at six points, and that takes six products:

    push    y[4q + i] = Σ_u Aᵀ[i, u] Σ_b Σ_c U[u, b, o, c] · V[u, c, q, j + b]
            V[u, q] = Σ_k Bᵀ[u, k] · x[4q + k − p]      U[u, b] = Σ_a G[u, a] · M[a, b]
    pull    push of δ by the kernel turned round, o and c exchanged
    outer   M's gradient [a, b] = Σ_u G[u, a] Σ_q Σ_j Δ[u, o, q, j] · V[u, c, q, j + b]
            Δ[u, q] = Σ_i A[u, i] · δ[4q + i]

(Lavin & Gray 2016, in one dimension; along a row the three taps remain shifts). V is a plane for each u: rows of x
with p zeros before each, row after row, image after image. Rounding is about 1.7 times that of the plain sum."""

from functools import lru_cache

import numpy as np

from .arrays import Array, Size
from .conv import Geometry
from .jit import jit
from .products_cpu import assign, multiply, multiply_transposed, whole
from .scratch import scratch
from .tiles_cpu import ROWS as FOUR
from .tiles_cpu import WIDTH
from .ways_cpu import Map, Sum, mapped, summed
from .winograd_rows_cpu import ROWS, drop, filters, lift, raise_

POINTS = 6
SHORT, LONG = 288, 544  # positions of a plane: for products over channels, and for sums over positions
PARTIALS = 1 << 20  # the most float64 partial sums that `outer` may keep
LEAST = 8  # channels in and out, or the transforms cost more than they save
GAIN = 0.75  # of the plain sum's products at most
TAPS = np.arange(3)
G = filters()

Frame = tuple[int, int, int, int, int, int, int, int, int]


def serves(g: Geometry, size: Size, inputs: int, outputs: int) -> bool:
    """Whether this way is open, and shorter than the plain sum. inputs, outputs: of a group."""
    if g.kernel != 3 or g.stride != 1 or g.dilation != 1 or g.padding > 2 or min(inputs, outputs) < LEAST:
        return False
    _, _, _, Ho, Wo, blocks, pitch, *_ = frame(size, g.padding)
    return 3 * POINTS * blocks * pitch <= GAIN * 9 * Ho * Wo


@lru_cache(maxsize=256)
def frame(size: Size, padding: int, stack: int = 1) -> Frame:
    """H, W, p; Ho, Wo; blocks of an image; positions from block to block; floats of a plane; images of a plane."""
    (H, W), (Ho, Wo) = size, (n + 2 * padding - 2 for n in size)
    blocks, pitch = -(-Ho // ROWS), W + padding
    lines = stack * blocks * pitch // WIDTH + 2  # the taps of the last vector reach beyond it
    return H, W, padding, Ho, Wo, blocks, pitch, WIDTH * (lines + 1 - lines % 2), stack


def push(x: Array, M: Array, g: Geometry) -> Array:
    """As conv.push; x and M contiguous."""
    size = x.shape[3], x.shape[4]
    y = np.empty((len(x), *M.shape[:2], g.out_size(size[0]), g.out_size(size[1])), np.float32)
    return mapped(pusher(M, g, size, len(x)), x, y)


def pull(delta: Array, M: Array, g: Geometry, size: Size, shared: bool) -> Array:
    """As conv.pull; delta and M contiguous."""
    dx = np.empty((len(delta), 1 if shared else len(M), M.shape[2] * g.groups, *size), np.float32)
    return mapped(puller(M, g, size, len(delta)), delta, dx)


def outer(delta: Array, x: Array, g: Geometry) -> Array:
    """As conv.outer; delta and x contiguous."""
    M = (*delta.shape[1:3], x.shape[2] // g.groups)
    return summed(summer(M, g, (x.shape[3], x.shape[4]), len(x)), delta, x)


def pusher(M: Array, g: Geometry, size: Size, count: int) -> Map:
    """y = M x of images of this size; of the whole batch there are `count`."""
    (R, K, C), G = M.shape[:3], g.groups
    return _correlation(_filters(M.reshape(R, G, K // G, C, 3, 3)), (C, K // G), size, g.padding, count)


def puller(M: Array, g: Geometry, size: Size, count: int) -> Map:
    """δx = Mᵀ δ, for x of this size; the sum over lanes where δx has one."""
    (R, K, C), G = M.shape[:3], g.groups
    turned = M.reshape(R, G, K // G, C, 3, 3)[..., ::-1, ::-1].swapaxes(2, 3)
    out = g.out_size(size[0]), g.out_size(size[1])
    return _correlation(_filters(turned), (K // G, C), out, 2 - g.padding, count)


def _filters(M: Array) -> Array:
    """U (R, G, 6, 3, O, C) of M (R, G, O, C, 3, 3), the channels padded with zeros to fours."""
    R, groups, K, C = M.shape[:4]
    values = G.astype(np.float32) @ M.transpose(4, 0, 1, 5, 2, 3).reshape(3, -1)
    values = values.reshape(POINTS, R, groups, 3, K, C).transpose(1, 2, 0, 3, 4, 5)
    if K % FOUR or C % FOUR:
        padded = np.zeros((*values.shape[:4], whole(K, FOUR), whole(C, FOUR)), np.float32)
        padded[..., :K, :C] = values
        return padded
    return np.ascontiguousarray(values)


def _correlation(U: Array, channels: Size, size: Size, padding: int, count: int) -> Map:
    """From images of this size to those of the padded one; channels: in and out, of a group."""
    G, (inputs, outputs) = U.shape[1], channels
    form = frame(size, padding, _stack(size, padding, count))
    _, _, _, Ho, Wo, blocks, _, length, stack = form
    floats = POINTS * (U.shape[4] + U.shape[5]) * length + (ROWS * blocks + 2) * size[1]

    def work(x: Array, y: Array) -> None:
        x, y = (
            each.reshape(*each.shape[:2], G, channel, -1) for each, channel in ((x, inputs), (y, outputs))
        )
        _correlate_images(x, U, form, TAPS, scratch(floats), y)

    return Map(work, 9.0 * len(U) * G * inputs * outputs * Ho * Wo, stack)


@lru_cache(maxsize=256)
def _stack(size: Size, padding: int, count: int) -> int:
    """How many images of a plane waste least of its last vector."""
    *_, blocks, pitch, _, _ = frame(size, padding)
    most = max(1, min(count, SHORT // (blocks * pitch)))
    return min(range(1, most + 1), key=lambda n: whole(n * blocks * pitch, WIDTH) / n)


def summer(M: tuple[int, int, int], g: Geometry, size: Size, count: int) -> Sum:
    """The gradient of M (R, O, C/groups, 3, 3) from x of this size."""
    (R, K, cols), groups, rows = M, g.groups, M[1] // g.groups
    _, _, _, Ho, Wo, blocks, pitch, *_ = frame(size, g.padding)
    stack = 1 << max(1, min(count, LONG // (blocks * pitch))).bit_length() - 1  # a power of two: equal chunks
    form = frame(size, g.padding, stack)
    shape = R, groups, POINTS, 3, whole(rows, FOUR), whole(cols, FOUR)
    floats = POINTS * (shape[4] + shape[5]) * form[7] + (ROWS * blocks + 2) * max(size[1], Wo)

    def work(delta: Array, x: Array, sums: Array) -> None:
        delta, x = delta.reshape(len(delta), R, groups, rows, -1), x.reshape(*x.shape[:2], groups, cols, -1)
        _outer_images(delta, x, form, TAPS, scratch(floats), sums)

    def finish(sums: Array) -> Array:
        total = G.T @ sums.reshape(R, groups, POINTS, -1)
        total = total.reshape(R, groups, 3, *shape[3:])[..., :rows, :cols].transpose(0, 1, 4, 5, 2, 3)
        return np.ascontiguousarray(total, np.float32).reshape(R, K, cols, 3, 3)

    most = max(2, min(32, PARTIALS // int(np.prod(shape))))
    return Sum(work, 9.0 * R * K * cols * Ho * Wo, stack, shape, most, finish)


@jit
def _correlate_images(x: Array, U: Array, frame: Frame, taps: Array, memory: Array, y: Array) -> None:
    H, W, p, Ho, Wo, blocks, pitch, length, stack = frame
    (N, L, groups, C, _), (R, _, _, _, rows, cols), (lanes, _, K) = x.shape, U.shape, y.shape[1:4]
    at, to = POINTS * cols * length, POINTS * (cols + rows) * length
    V, Y = memory[:at].reshape(POINTS, cols, length), memory[at:to].reshape(POINTS, rows, length)
    plane = memory[to : to + (ROWS * blocks + 2) * W]
    _clear(V, C, stack * blocks, pitch, 0, p)
    plane[:] = 0
    for n in range(0, N, stack):
        images = min(stack, N - n)
        count = whole(images * blocks * pitch, WIDTH)
        for g in range(groups):
            for lane in range(L):
                for c in range(C):
                    for j in range(images):
                        plane[p * W : (p + H) * W] = x[n + j, lane, g, c]
                        lift(plane, W, blocks, V, c, j * blocks * pitch + p, pitch)
                for r in range(lane, R, L):  # every lane where they share x
                    for u in range(POINTS):
                        if r < lanes:
                            assign(U[r, g, u], V[u], taps, Y[u], 0, count)
                        else:
                            multiply(U[r, g, u], V[u], taps, Y[u], 0, count)
                    if r + lanes >= R:
                        for o in range(K):
                            for j in range(images):
                                to_plane = y[n + j, r % lanes, g, o]
                                drop(Y, o, j * blocks * pitch, pitch, blocks, to_plane, Wo, Ho)


@jit
def _clear(planes: Array, channels: int, rows: int, pitch: int, first: int, last: int) -> None:
    """Zeros where no transform writes: places [first, last) of every row, all behind the rows, other channels."""
    planes[:, channels:] = 0
    for u in range(POINTS):
        for c in range(channels):
            plane = planes[u, c]
            plane[rows * pitch :] = 0
            for place in range(first, last):
                for r in range(rows):
                    plane[r * pitch + place] = 0


@jit
def _outer_images(delta: Array, x: Array, frame: Frame, taps: Array, memory: Array, sums: Array) -> None:
    H, W, p, Ho, Wo, blocks, pitch, length, stack = frame
    (N, L, groups, C, _), (R, _, _, _, rows, cols), K = x.shape, sums.shape, delta.shape[3]
    at, to = POINTS * cols * length, POINTS * (cols + rows) * length
    V, D = memory[:at].reshape(POINTS, cols, length), memory[at:to].reshape(POINTS, rows, length)
    plane = memory[to : to + (ROWS * blocks + 2) * W]
    error = memory[to : to + ROWS * blocks * Wo]
    _clear(V, C, stack * blocks, pitch, 0, p)
    _clear(D, K, stack * blocks, pitch, Wo, pitch)
    for n in range(0, N, stack):
        images = min(stack, N - n)
        count = whole(images * blocks * pitch, WIDTH)
        if images < stack:
            D[:] = 0
        for g in range(groups):
            for lane in range(L):
                plane[:] = 0
                for c in range(C):
                    for j in range(images):
                        plane[p * W : (p + H) * W] = x[n + j, lane, g, c]
                        lift(plane, W, blocks, V, c, j * blocks * pitch + p, pitch)
                for r in range(lane, R, L):
                    error[Ho * Wo :] = 0
                    for o in range(K):
                        for j in range(images):
                            error[: Ho * Wo] = delta[n + j, r, g, o]
                            raise_(error, Wo, blocks, D, o, j * blocks * pitch, pitch)
                    for u in range(POINTS):
                        multiply_transposed(D[u], V[u], taps, count, sums[r, g, u])
