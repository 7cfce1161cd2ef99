"""The CPU twin of pool.py, on zero-gapped planes: a tap is a constant shift and its loop becomes vectors."""

import math
from collections.abc import Callable

import numpy as np

from .arrays import Array, Shape, Size, own
from .conv import Geometry
from .jit import jit
from .planes_cpu import Frame, Layout, Planes, fill, planes, take
from .pool import Pull
from .threads import chunks, run

LENGTH = 1024  # floats that a plane should have
ZERO = np.float32(0)
LOWEST = np.float32(-np.inf)
Puller = Callable[[Array, Array, int, int], None]  # (delta, dx, a, b): rows of the images [a, b)


def max_pool(x: Array, k: int, stride: int, padding: int) -> tuple[Array, Array]:
    """As pool.max_pool."""
    images = _flat(x)
    s = planes(Geometry(k, stride, padding), x.shape[-2:], len(images), LENGTH)
    rows, cols = (np.maximum(padding - stride * np.arange(n), 0) for n in s.out)
    first, taps = _spread(s, rows[:, None] * k + cols), s.taps()
    y = np.empty((len(images), s.out[0] * s.out[1]), x.dtype)
    where = np.empty(y.shape, np.uint8)

    def work(a: int, b: int) -> None:
        _max_pool(images[a:b], taps, first, s.layout, s.frame, s.flat, y[a:b], where[a:b])

    _run(work, s, len(images))
    return y.reshape(*x.shape[:-2], *s.out), where.reshape(*x.shape[:-2], *s.out)


def max_pool_pull(delta: Array, where: Array, k: int, stride: int, padding: int, size: Size) -> Array:
    """As pool.max_pool_pull."""
    return _pulled(delta, Pull((k, stride, padding), size, where))


def max_pool_push(tangent_x: Array, where: Array, k: int, stride: int, padding: int) -> Array:
    """As pool.max_pool_push."""
    images, tap_of = _flat(tangent_x), _flat(where)
    s = planes(Geometry(k, stride, padding), tangent_x.shape[-2:], len(images), LENGTH)
    _check(s.out, where.shape, (*tangent_x.shape[:-2], *s.out))
    taps, tangent_y = s.taps(), np.empty(tap_of.shape, tangent_x.dtype)

    def work(a: int, b: int) -> None:
        _max_pool_push(images[a:b], tap_of[a:b], taps, s.layout, s.frame, s.flat, tangent_y[a:b])

    _run(work, s, len(images))
    return tangent_y.reshape(where.shape)


def avg_pool(x: Array, k: int, stride: int, padding: int) -> Array:
    """As pool.avg_pool."""
    images = _flat(x)
    s = planes(Geometry(k, stride, padding), x.shape[-2:], len(images), LENGTH)
    share, taps = _share(s), s.taps()
    y = np.empty((len(images), s.out[0] * s.out[1]), x.dtype)
    _run(lambda a, b: _avg_pool(images[a:b], taps, share, s.layout, s.frame, s.flat, y[a:b]), s, len(images))
    return y.reshape(*x.shape[:-2], *s.out)


def avg_pool_pull(delta: Array, k: int, stride: int, padding: int, size: Size) -> Array:
    """As pool.avg_pool_pull."""
    return _pulled(delta, Pull((k, stride, padding), size))


def puller(how: Pull, shape: Shape) -> tuple[Planes, Puller]:
    """The way of errors of this shape; dx must be zeros where no tap reaches."""
    s = planes(Geometry(*how.window), how.size, math.prod(shape[:-2]), LENGTH)
    taps, layout = s.taps(), (s.layout, s.frame, s.flat)
    if how.where is None:
        _check(shape[-2:], s.out, s.out)
        share = _share(s)
        return s, lambda delta, dx, a, b: _avg_pool_pull(delta, taps, share, *layout, dx)
    _check(shape[-2:], how.where.shape, (*shape[:-2], *s.out))
    tap_of = _flat(how.where)
    return s, lambda delta, dx, a, b: _max_pool_pull(delta, tap_of[a:b], taps, *layout, dx)


def _pulled(delta: Array, how: Pull) -> Array:
    images, (s, rows) = _flat(delta), puller(how, delta.shape)
    dx = np.zeros((len(images), how.size[0] * how.size[1]), delta.dtype)
    _run(lambda a, b: rows(images[a:b], dx[a:b], a, b), s, len(images))
    return dx.reshape(*delta.shape[:-2], *how.size)


def _flat(x: Array) -> Array:
    """(images, H · W)."""
    return own(x).reshape(-1, x.shape[-2] * x.shape[-1])


def _check(size: Shape, where: Shape, expected: Shape) -> None:
    if size != expected[-2:] or where != expected:
        raise ValueError(f"the pool has outputs {expected}; given are {size} and taps {where}.")


def _run(work: Callable[[int, int], None], s: Planes, count: int) -> None:
    cost = s.out[0] * s.out[1] * s.g.kernel**2 * 2
    run(lambda first, last, _: work(first, last), chunks(count, cost, s.stack))


def _spread(s: Planes, values: Array) -> Array:
    """(Ho, Wo) values laid out as the outputs of the images of a plane, zeros in the gaps."""
    plane = np.zeros((s.stack, s.rows, s.pitch), np.float32)
    plane[:, : s.out[0], : s.out[1]] = values
    return plane.ravel()


def _share(s: Planes) -> Array:
    """1 / (the number of taps inside the image), laid out by `_spread`."""
    counts = []
    for n, out in zip(s.size, s.out, strict=True):
        begin = s.g.stride * np.arange(out) - s.g.padding
        counts.append(np.minimum(begin + s.g.kernel, n) - np.maximum(begin, 0))
    return _spread(s, 1.0 / (counts[0][:, None] * counts[1]))


@jit
def _max_pool(
    x: Array, taps: Array, first: Array, layout: Layout, frame: Frame, flat: Frame, y: Array, where: Array
) -> None:
    (stack, step, pitch, length), phases = layout, frame[4] ** 2
    plane, best, winner = (
        np.full(phases * length, LOWEST),
        np.zeros(stack * step, np.float32),
        np.zeros_like(first),
    )
    for n in range(0, len(x), stack):
        images = min(stack, len(x) - n)
        for j in range(images):
            fill(x[n + j], frame, pitch, j * step, plane)
        for i in range(best.size):
            best[i], winner[i] = LOWEST, first[i]
        for t in range(taps.size):
            tap, number = plane[taps[t] :], np.float32(t)
            for i in range(images * step):
                v, b = tap[i], best[i]
                wins = (v > b) | (v != v)  # NaN wins
                best[i] = v if wins else b
                winner[i] = number if wins else winner[i]
        for j in range(images):
            take(best, flat, pitch, j * step, y[n + j])
            take(winner, flat, pitch, j * step, where[n + j])


@jit
def _max_pool_pull(
    delta: Array, where: Array, taps: Array, layout: Layout, frame: Frame, flat: Frame, dx: Array
) -> None:
    (stack, step, pitch, length), phases = layout, frame[4] ** 2
    d = np.zeros(stack * step, np.float32)
    winner = np.zeros(stack * step, np.float32)
    total = np.zeros(phases * length, np.float32)
    for n in range(0, len(dx), stack):
        images = min(stack, len(dx) - n)
        for j in range(images):
            fill(delta[n + j], flat, pitch, j * step, d)
            fill(where[n + j], flat, pitch, j * step, winner)
        total[:] = ZERO
        for t in range(taps.size):
            tap, number = total[taps[t] :], np.float32(t)
            for i in range(images * step):
                tap[i] += d[i] if winner[i] == number else ZERO
        for j in range(images):
            take(total, frame, pitch, j * step, dx[n + j])


@jit
def _max_pool_push(
    x: Array, where: Array, taps: Array, layout: Layout, frame: Frame, flat: Frame, y: Array
) -> None:
    (stack, step, pitch, length), phases = layout, frame[4] ** 2
    plane = np.zeros(phases * length, np.float32)
    out = np.zeros(stack * step, np.float32)
    winner = np.zeros(stack * step, np.float32)
    for n in range(0, len(x), stack):
        images = min(stack, len(x) - n)
        for j in range(images):
            fill(x[n + j], frame, pitch, j * step, plane)
            fill(where[n + j], flat, pitch, j * step, winner)
        for t in range(taps.size):
            tap, number = plane[taps[t] :], np.float32(t)
            for i in range(images * step):
                out[i] = tap[i] if winner[i] == number else out[i]
        for j in range(images):
            take(out, flat, pitch, j * step, y[n + j])


@jit
def _avg_pool(
    x: Array, taps: Array, share: Array, layout: Layout, frame: Frame, flat: Frame, y: Array
) -> None:
    (stack, step, pitch, length), phases = layout, frame[4] ** 2
    plane, out = np.zeros(phases * length, np.float32), np.zeros(stack * step, np.float32)
    for n in range(0, len(x), stack):
        images = min(stack, len(x) - n)
        for j in range(images):
            fill(x[n + j], frame, pitch, j * step, plane)
        out[:] = ZERO
        for t in range(taps.size):
            tap = plane[taps[t] :]
            for i in range(images * step):
                out[i] += tap[i]
        for i in range(images * step):
            out[i] *= share[i]
        for j in range(images):
            take(out, flat, pitch, j * step, y[n + j])


@jit
def _avg_pool_pull(
    delta: Array, taps: Array, share: Array, layout: Layout, frame: Frame, flat: Frame, dx: Array
) -> None:
    (stack, step, pitch, length), phases = layout, frame[4] ** 2
    d, total = np.zeros(stack * step, np.float32), np.zeros(phases * length, np.float32)
    for n in range(0, len(dx), stack):
        images = min(stack, len(dx) - n)
        for j in range(images):
            fill(delta[n + j], flat, pitch, j * step, d)
        for i in range(images * step):
            d[i] *= share[i]
        total[:] = ZERO
        for t in range(taps.size):
            tap = total[taps[t] :]
            for i in range(images * step):
                tap[i] += d[i]
        for j in range(images):
            take(total, frame, pitch, j * step, dx[n + j])
