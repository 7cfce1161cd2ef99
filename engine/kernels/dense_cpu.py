"""The CPU twin of dense, grouped and pointwise convolutions, on zero-gapped planes.

There a tap is a constant shift, so each product runs on the planes themselves, with no copy for every tap:

    push    y[o, i]    = Σ_t Σ_c M[t, o, c] · x[c, i + shift[t]]
    pull    δx[c, i]   = Σ_t Σ_o M[t, o, c] · δ[o, i − shift[t]]     for each phase of x
    outer   G[t, o, c] = Σ_i δ[o, i] · x[c, i + shift[t]]

Counts of channels are padded with zeros to fours. A 1 × 1 kernel uses planes as well: where images lie a
power of two apart, their rows would share cache sets, and the copy costs less than that."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from .arrays import Array, Size
from .conv import Geometry
from .jit import jit
from .planes_cpu import Frame, Layout, fill, planes, take
from .products_cpu import multiply, multiply_transposed
from .threads import chunks, run

LENGTH = 1024  # floats that a plane should have
PARTIALS = 1 << 23  # the most float64 partial sums that `outer` may keep


class Plan(NamedTuple):
    """Where images and taps lie, for one geometry and size: what a call would else compute anew each time."""

    layout: Layout
    frame: Frame
    flat: Frame
    stack: int
    out: Size
    taps: Array  # (k·k,) shifts
    order: Array  # the taps by the phase of x that they reach
    begin: Array  # where each phase begins in `order`
    back: Array  # the shifts the other way, in `order`


@lru_cache(maxsize=256)
def plan(g: Geometry, size: Size, count: int) -> Plan:
    s = planes(g, size, count, LENGTH)
    phase, shift = np.divmod(s.taps(), np.uint64(s.length))
    order = np.argsort(phase, kind="stable")
    begin, back = np.searchsorted(phase[order], np.arange(s.phases**2 + 1)), np.uint64(s.reach) - shift[order]
    return Plan(s.layout, s.frame, s.flat, s.stack, s.out, s.taps(), order, begin, back)


def push(x: Array, M: Array, g: Geometry) -> Array:
    """As conv.push; x and M contiguous."""
    (N, L, C, H, W), (R, K), G = x.shape, M.shape[:2], g.groups
    s, weights = plan(g, (H, W), N), tiles(M.reshape(R, G, K // G, C // G, -1))
    y = np.empty((N, R, G, K // G, s.out[0] * s.out[1]), x.dtype)
    x = x.reshape(N, L, G, C // G, H * W)

    def work(first: int, last: int, _: int) -> None:
        _push(x[first:last], weights, s.taps, s.layout, s.frame, s.flat, y[first:last])

    run(work, chunks(N, 2 * y[0].size * M[0, 0].size, s.stack))
    return y.reshape(N, R, K, *s.out)


def pull(delta: Array, M: Array, g: Geometry, size: Size, shared: bool) -> Array:
    """As conv.pull; delta and M contiguous."""
    (N, R, K), L, C, G = delta.shape[:3], 1 if shared else delta.shape[1], M.shape[2] * g.groups, g.groups
    s = plan(g, size, N)
    weights = tiles(M.reshape(R, G, K // G, C // G, -1)[..., s.order].swapaxes(2, 3))
    dx = np.zeros((N, L, G, C // G, size[0] * size[1]), delta.dtype)
    delta = delta.reshape(N, R, G, K // G, -1)

    def work(first: int, last: int, _: int) -> None:
        _pull(delta[first:last], weights, s.back, s.begin, s.layout, s.frame, s.flat, dx[first:last])

    run(work, chunks(N, 2 * delta[0].size * M[0, 0].size, s.stack))
    return dx.reshape(N, L, C, *size)


def outer(delta: Array, x: Array, g: Geometry) -> Array:
    """As conv.outer; delta and x contiguous."""
    (N, R, K), (L, C, H, W), G, k = delta.shape[:3], x.shape[1:], g.groups, g.kernel
    s = plan(g, (H, W), N)
    delta, x = delta.reshape(N, R, G, K // G, -1), x.reshape(N, L, G, C // G, H * W)
    shape = (R, G, k * k, _four(K // G), _four(C // G))
    most = max(2, min(32, PARTIALS // int(np.prod(shape))))
    borders = chunks(N, 2 * delta[0].size * x.shape[3] * k * k, s.stack, most)
    sums = np.zeros((len(borders), *shape))

    def work(first: int, last: int, index: int) -> None:
        _outer(delta[first:last], x[first:last], s.taps, s.layout, s.frame, s.flat, sums[index])

    run(work, borders)
    total = sums.sum(0)[..., : K // G, : C // G].astype(x.dtype)  # (R, G, k·k, O/G, C/G)
    return np.ascontiguousarray(total.transpose(0, 1, 3, 4, 2)).reshape(R, K, C // G, k, k)


def _four(count: int) -> int:
    return -(-count // 4) * 4


def tiles(M: Array) -> Array:
    """(R, G, O/G, C/G, T) as (R, G, T, O/G, C/G), the channels padded with zeros to fours."""
    R, G, K, C, T = M.shape
    tiles = np.zeros((R, G, T, _four(K), _four(C)), M.dtype)
    tiles[..., :K, :C] = M.transpose(0, 1, 4, 2, 3)
    return tiles


@jit
def _push(x: Array, weights: Array, taps: Array, layout: Layout, frame: Frame, flat: Frame, y: Array) -> None:
    (N, L, G, C, _), (R, _, _, rows, cols) = x.shape, weights.shape
    stack, step, pitch, length = layout
    inputs = np.zeros((cols, frame[4] ** 2 * length), np.float32)
    outputs = np.zeros((rows, length), np.float32)
    for n in range(0, N, stack):
        images = min(stack, N - n)
        for lane in range(L):
            for g in range(G):
                for j in range(images):
                    for c in range(C):
                        fill(x[n + j, lane, g, c], frame, pitch, j * step, inputs[c])
                for r in range(lane, R, L):  # every lane where they share x
                    outputs[:] = 0
                    multiply(weights[r, g], inputs, taps, outputs, 0, images * step)
                    for j in range(images):
                        for o in range(y.shape[3]):
                            take(outputs[o], flat, pitch, j * step, y[n + j, r, g, o])


@jit
def _pull(
    delta: Array, weights: Array, back: Array, begin: Array,
    layout: Layout, frame: Frame, flat: Frame, dx: Array,
) -> None:  # fmt: skip
    (N, L, G, C, _), (R, _, _, rows, cols) = dx.shape, weights.shape
    stack, step, pitch, length = layout
    phases, reach = begin.size - 1, int(back.max())
    inputs, total = np.zeros((cols, length), np.float32), np.zeros((rows, phases * length), np.float32)
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
                        taps, w = back[begin[q] : begin[q + 1]], weights[r, g, begin[q] : begin[q + 1]]
                        multiply(w, inputs, taps, total, q * length, images * step)
                for j in range(images):
                    for c in range(C):
                        take(total[c], frame, pitch, j * step, dx[n + j, lane, g, c])


@jit
def _outer(
    delta: Array, x: Array, taps: Array, layout: Layout, frame: Frame, flat: Frame, sums: Array
) -> None:
    (N, L, G, C, _), (R, _, _, rows, cols) = x.shape, sums.shape
    stack, step, pitch, length = layout
    inputs, d = np.zeros((cols, frame[4] ** 2 * length), np.float32), np.zeros((rows, length), np.float32)
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
                    multiply_transposed(d, inputs, taps, images * step, sums[r, g])
