"""The CPU twin of depthwise convolutions (groups = C, any channel multiplier), on zero-gapped planes.

    push    y[o, i]    = Σ_ab M[o, a, b] · x[c, i + down[a] + right[b]]
    pull    δx[c, i]   = Σ_o Σ_ab M[o, a, b] · δ[o, i − down[a] − right[b]]     for each phase of x
    outer   G[o, a, b] = Σ_i δ[o, i] · x[c, i + down[a] + right[b]]

Nothing of a geometry is compiled in: k is the length of `down` and `right`."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from .arrays import Array, Size
from .conv import Geometry
from .jit import in_order, inlined, jit
from .planes_cpu import Frame, Layout, fill, offsets, planes, take
from .threads import chunks, run
from .tiles_cpu import VECTORS, WIDTH, shifted, shifted_narrow

LENGTH = 384  # floats that a plane should have
ZERO = np.float32(0)
Shifts = Array  # (k,) uint64


class Plan(NamedTuple):
    """Where images and taps lie, for one geometry and size: what a call would else compute anew each time."""

    layout: Layout
    frame: Frame
    flat: Frame
    stack: int
    phases: int
    reach: int
    out: Size
    down: Shifts  # of a tap's row and column, forwards
    right: Shifts
    back: tuple[Shifts, Shifts]  # the same backwards, one for each different shift
    places: tuple[tuple[int, int], ...]  # of each tap's row (or column): its phase, and its place in `back`
    taps: Array  # (k·k,) shifts, in fives for `dots`


@lru_cache(maxsize=256)
def plan(g: Geometry, size: Size, count: int, floats: int = LENGTH) -> Plan:
    s = planes(g, size, count, floats)
    down = offsets([phase * s.phases * s.length + shift * s.pitch for phase, shift in s.shifts()])
    right = offsets([phase * s.length + shift for phase, shift in s.shifts()])
    shifts = sorted({shift for _, shift in s.shifts()})
    up = offsets([s.reach - (shift * s.pitch + shifts[-1]) for shift in shifts])
    left = offsets([shifts[-1] - shift for shift in shifts])
    places = tuple((phase, shifts.index(shift)) for phase, shift in s.shifts())
    taps = np.zeros(-(-(g.kernel**2) // 5) * 5, np.uint64)
    taps[: g.kernel**2] = s.taps()
    return Plan(
        s.layout, s.frame, s.flat, s.stack, s.phases, s.reach, s.out, down, right, (up, left), places, taps
    )


def push(x: Array, M: Array, g: Geometry) -> Array:
    """As conv.push; x and M contiguous."""
    (N, L, C, H, W), (R, K) = x.shape, M.shape[:2]
    s = plan(g, (H, W), N)
    y = np.empty((N, R, K, s.out[0] * s.out[1]), x.dtype)
    x, M = x.reshape(N, L, C, H * W), M.reshape(R, K, g.kernel, g.kernel)

    def work(first: int, last: int, _: int) -> None:
        _push(x[first:last], M, s.layout, s.frame, s.flat, s.down, s.right, y[first:last])

    run(work, chunks(N, y[0].size * 2 * g.kernel**2, s.stack))
    return y.reshape(N, R, K, *s.out)


def pull(delta: Array, M: Array, g: Geometry, size: Size, shared: bool) -> Array:
    """As conv.pull; delta and M contiguous."""
    (N, R, K), L, C = delta.shape[:3], 1 if shared else delta.shape[1], g.groups
    s = plan(g, size, N)
    taps = back_taps(M, s)
    dx = np.zeros((N, L, C, size[0] * size[1]), delta.dtype)
    delta = delta.reshape(N, R, K, -1)

    def work(first: int, last: int, _: int) -> None:
        _pull(delta[first:last], taps, s.layout, s.frame, s.flat, s.reach, *s.back, dx[first:last])

    run(work, chunks(N, delta[0].size * 2 * g.kernel**2, s.stack))
    return dx.reshape(N, L, C, *size)


def back_taps(M: Array, s: Plan) -> Array:
    """(phases², R, K, taps, taps): the taps that reach each phase of x, zero where a phase lacks a shift."""
    R, K = M.shape[:2]
    taps = np.zeros((s.phases, s.phases, R, K, len(s.back[0]), len(s.back[1])), M.dtype)
    if s.phases == 1:
        taps[0, 0] = M[:, :, 0]
    else:
        for a, (p, i) in enumerate(s.places):
            for b, (q, j) in enumerate(s.places):
                taps[p, q, :, :, i, j] = M[:, :, 0, a, b]
    return taps.reshape(s.phases**2, R, K, len(s.back[0]), len(s.back[1]))


def outer(delta: Array, x: Array, g: Geometry) -> Array:
    """As conv.outer; delta and x contiguous."""
    (N, R, K), (L, C, H, W), k = delta.shape[:3], x.shape[1:], g.kernel
    s = plan(g, (H, W), N)
    delta, x = delta.reshape(N, R, K, -1), x.reshape(N, L, C, H * W)
    borders = chunks(N, delta[0].size * 2 * k * k, s.stack)
    sums = np.zeros((len(borders), R, K, s.taps.size))

    def work(first: int, last: int, index: int) -> None:
        _outer(delta[first:last], x[first:last], s.taps, s.layout, s.frame, s.flat, sums[index])

    run(work, borders)
    total: Array = sums.sum(0)[:, :, : k * k].astype(x.dtype)
    return total.reshape(R, K, 1, k, k)


@jit
def _push(
    x: Array, M: Array, layout: Layout, frame: Frame, flat: Frame, down: Shifts, right: Shifts, y: Array
) -> None:
    (N, L, C, _), R, m = x.shape, M.shape[0], M.shape[1] // x.shape[2]
    (stack, step, pitch, length), phases = layout, frame[4] ** 2
    block = _block(stack)
    planes = np.zeros((block, phases * length), np.float32)
    outs = np.zeros((block * m, length), np.float32)
    for n in range(0, N, stack):
        images = min(stack, N - n)
        for lane in range(L):
            for first in range(0, C, block):
                channels = min(block, C - first)
                for j in range(images):
                    for c in range(channels):
                        fill(x[n + j, lane, first + c], frame, pitch, j * step, planes[c])
                for r in range(lane, R, L):  # every lane where they share x
                    for o in range(channels * m):
                        correlate(planes[o // m], down, right, M[r, first * m + o], outs[o, : images * step])
                    for j in range(images):
                        for o in range(channels * m):
                            take(outs[o], flat, pitch, j * step, y[n + j, r, first * m + o])


@jit
def _pull(
    delta: Array, taps: Array, layout: Layout, frame: Frame, flat: Frame, reach: int,
    down: Shifts, right: Shifts, dx: Array,
) -> None:  # fmt: skip
    (N, L, C, _), R, m = dx.shape, delta.shape[1], delta.shape[2] // dx.shape[2]
    (stack, step, pitch, length), phases = layout, frame[4] ** 2
    block = _block(stack)
    planes, out = np.zeros((block * m, length), np.float32), np.zeros(length, np.float32)
    total = np.zeros((block, phases * length), np.float32)
    for n in range(0, N, stack):
        images = min(stack, N - n)
        for lane in range(L):
            for first in range(0, C, block):
                channels = min(block, C - first)
                for r in range(lane, R, L):
                    for j in range(images):
                        for o in range(channels * m):
                            fill(delta[n + j, r, first * m + o], flat, pitch, reach + j * step, planes[o])
                    for o in range(channels * m):
                        for q in range(phases):
                            phase = total[o // m, q * length : q * length + images * step]
                            alone = r == lane and o % m == 0  # the first to reach this plane
                            w, to = taps[q, r, first * m + o], phase if alone else out[: images * step]
                            correlate(planes[o], down, right, w, to)
                            if not alone:
                                _add(to, phase)
                for j in range(images):
                    for c in range(channels):
                        take(total[c], frame, pitch, j * step, dx[n + j, lane, first + c])


@jit
def _outer(
    delta: Array, x: Array, taps: Array, layout: Layout, frame: Frame, flat: Frame, sums: Array
) -> None:
    (N, L, C, _), R, m = x.shape, delta.shape[1], delta.shape[2] // x.shape[2]
    (stack, step, pitch, length), phases = layout, frame[4] ** 2
    block = _block(stack)
    planes = np.zeros((block, phases * length), np.float32)
    d = np.zeros((block * m, length), np.float32)
    for n in range(0, N, stack):
        images = min(stack, N - n)
        for lane in range(L):
            for first in range(0, C, block):
                channels = min(block, C - first)
                for j in range(images):
                    for c in range(channels):
                        fill(x[n + j, lane, first + c], frame, pitch, j * step, planes[c])
                for r in range(lane, R, L):
                    for j in range(images):
                        for o in range(channels * m):
                            fill(delta[n + j, r, first * m + o], flat, pitch, j * step, d[o])
                    for o in range(channels * m):
                        dots(d[o, : images * step], planes[o // m], taps, sums[r, first * m + o])


@jit
def _block(stack: int) -> int:
    """Channels copied together: stacked images lie far apart, and memory is fast in long runs only."""
    return 16 if stack > 1 else 1


@in_order
def correlate(x: Array, down: Shifts, right: Shifts, weights: Array, out: Array) -> None:
    """out[i] = Σ_ab weights[a, b] · x[i + down[a] + right[b]]."""
    inside, long = out.size // WIDTH * WIDTH, VECTORS * WIDTH
    end = inside // long * long
    for i in range(0, end, long):
        shifted(weights, x, down, right, i, out)
    for i in range(end, inside, WIDTH):
        shifted_narrow(weights, x, down, right, i, out)
    for i in range(inside, out.size):
        s = ZERO
        for a in range(down.size):
            for b in range(right.size):
                s += weights[a, b] * x[np.uint64(i) + down[a] + right[b]]
        out[i] = s


@in_order
def _add(x: Array, out: Array) -> None:
    for i in range(x.size):
        out[i] += x[i]


@inlined
def dots(d: Array, x: Array, taps: Array, sums: Array) -> None:
    """sums[t] += Σ_i d[i] · x[i + taps[t]], five taps at a time: one load of d serves five products."""
    for t in range(0, taps.size, 5):
        x0, x1, x2, x3, x4 = (
            x[taps[t] :],
            x[taps[t + 1] :],
            x[taps[t + 2] :],
            x[taps[t + 3] :],
            x[taps[t + 4] :],
        )
        s0 = s1 = s2 = s3 = s4 = ZERO
        for i in range(d.size):
            s0 += d[i] * x0[i]
            s1 += d[i] * x1[i]
            s2 += d[i] * x2[i]
            s3 += d[i] * x3[i]
            s4 += d[i] * x4[i]
        sums[t] += s0
        sums[t + 1] += s1
        sums[t + 2] += s2
        sums[t + 3] += s3
        sums[t + 4] += s4
