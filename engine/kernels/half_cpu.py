"""The CPU twin of half.py: each image stays in the cache from the first step to the last."""

from typing import Any

import numpy as np

from . import images_cpu
from .arrays import Array, own
from .conv import Geometry, check
from .dense_cpu import tiles
from .depthwise_cpu import Plan, back_taps, plan
from .half import POINT, Below, Norm, Upstream
from .half_images_cpu import LANES, backward_images, forward_images, lanes_together
from .half_planes_cpu import backward_planes, forward_planes
from .half_rows_cpu import EMPTY
from .images_cpu import ROWS
from .scratch import aligned, scratch
from .threads import chunks, run
from .tiles_cpu import WIDTH

CACHE = 24576  # floats that the planes of all channels should have together
PARTIALS = 1 << 17  # the most float64 partial sums of dP
FAST = 4.0  # how much faster than others these operations are
STREAMED = 1 << 20  # floats of an output that is written past the caches
PIXELS = 256  # that a sum of dP should run over
NONE = np.zeros((0, 0), np.float32)


def forward(
    x: Array, D: Array, P: Array, g: Geometry, norm: Norm | None = None
) -> tuple[Array, Array, Array]:
    """As half.forward."""
    (N, L, C, H, W), (R, K) = x.shape, P.shape[:2]
    _check(x, D, P, g, norm)
    out = g.out_size(H), g.out_size(W)
    y = aligned(N, R, K, out[0] * out[1])
    x, D, P = own(x).reshape(N, L, C, H * W), _taps(D), _matrix(P)
    a, b, _ = _coefficients(norm)
    s, maps = _plan(g, (H, W), N, C), images_cpu.plan(g, (H, W))
    borders = chunks(N, y[0].size * (D[0, 0].size + C) / FAST, 1 if maps else s.stack)
    parts = np.zeros((len(borders), 3, R, K))
    parts[:, 0] = EMPTY

    rows = (P.shape[4] * (lanes_together(maps, L, R) if maps else 1) + P.shape[3]) * (
        out[0] + ROWS * g.dilation
    )
    floats = C * maps.x.floats + rows * out[1] + H * W if maps else 0

    def vectors(first: int, last: int, i: int) -> None:
        given: list[Any] = [x[first:last], a, b, D, P, maps, _past_caches(y, out[1]), scratch(floats)]
        given += [y[first:last], parts[i]]
        forward_images(*given)

    def planes(first: int, last: int, i: int) -> None:
        memory = scratch(_floats(s, C, P.shape[3], P.shape[4]) + H * W)
        layout, taps = (s.layout, s.frame, s.flat), (s.down, s.right)
        forward_planes(x[first:last], a, b, D, P, *layout, *taps, memory, y[first:last], parts[i])

    run(vectors if maps else planes, borders)
    counts = [(last - first) * y.shape[3] for first, last in borders]
    return y.reshape(N, R, K, *out), *_merged(parts, counts)


def backward(
    up: Upstream,
    x: Array,
    D: Array,
    Db: Array,
    Pb: Array,
    g: Geometry,
    norm: Norm | None = None,
    into: Array | None = None,
    learn: bool = True,
) -> Below:
    """As half.backward."""
    (N, L, C, H, W), (R, K), k = x.shape, Pb.shape[:2], g.kernel
    _check(x, D, Pb, g, norm, up)
    above = own(up.g).reshape(*up.g.shape[:3], -1), own(up.y).reshape(N, R, K, -1)
    coefficients = tuple(own(np.asarray(v, np.float32)) for v in (up.A, up.B, up.E))
    a, b, mean = _coefficients(norm)
    error = _error(x, norm, into)
    x, D, Pt = own(x).reshape(N, L, C, H * W), _taps(D), _matrix(Pb.swapaxes(1, 2))
    s, maps = _plan(g, (H, W), N, C), images_cpu.plan(g, (H, W))
    stack = max(1, min(PIXELS // above[1].shape[3], N)) if maps else s.stack
    most = max(2, min(16, PARTIALS // Pt.size))
    borders = chunks(N, 2.0 * above[1][0].size * (k * k + C) / FAST, stack, most)
    dD = np.zeros((len(borders), R, C, s.taps.size))
    dP = np.zeros((len(borders), R, 1, Pt.shape[4], Pt.shape[3]))
    sums = np.zeros((len(borders), 2, R, C))

    def part(first: int, last: int) -> tuple[Any, ...]:
        lanes, y = above
        return lanes[first:last], y[first:last], *coefficients, x[first:last], a, b, mean, D

    if maps:
        strided, size = maps.x.s == 2, above[1].shape[3]
        back = _taps(Db) if strided else np.ascontiguousarray(_taps(Db)[:, :, ::-1, ::-1])
        # an error of just that size (64 images, 8 × 8, four lanes) is read again sooner than caches forget it
        streamed = norm is not None and error.size > STREAMED and _past_caches(error, W)
        together, woven = lanes_together(maps, L, R), 4 if strided else 1
        length = images_cpu.apart(size)
        floats = stack * C * maps.x.floats
        floats += together * length * (Pt.shape[3] * (stack + 1) + Pt.shape[4] * stack)
        floats += max(together, C) * maps.y.floats + C * (woven * size + R * k * k * LANES) + H * W

        def work(first: int, last: int, i: int) -> None:
            found = error[first:last], sums[i], dD[i], dP[i]
            given: list[Any] = [
                *part(first, last),
                back,
                Pt,
                maps,
                stack,
                learn,
                streamed,
                scratch(floats),
                length,
                *found,
            ]
            backward_images(*given)

    else:
        turned = back_taps(own(Db), s)
        floats = _floats(s, 2 * C, 2 * Pt.shape[3], Pt.shape[4]) + max(s.layout[3], H * W)

        def work(first: int, last: int, i: int) -> None:
            geometry, memory = (s.layout, s.frame, s.flat, s.reach, s.down, s.right), scratch(floats)
            found = error[first:last], sums[i], dD[i], dP[i]
            given: list[Any] = [
                *part(first, last),
                turned,
                Pt,
                *geometry,
                *s.back,
                s.taps,
                learn,
                memory,
                *found,
            ]
            backward_planes(*given)

    run(work, borders)
    below = Below(None, None, None, None, None)
    if learn:
        below = below._replace(
            dD=dD.sum(0)[:, :, : k * k].astype(np.float32).reshape(R, C, 1, k, k),
            dP=dP.sum(0)[:, 0, :K, :C].astype(np.float32).reshape(R, K, C, 1, 1),
        )
    if norm is not None:
        S0, S1 = sums.sum(0).astype(np.float32)
        return below._replace(error=error.reshape(N, R, C, H, W), S0=S0, S1=S1)
    if into is not None and not np.shares_memory(error, into):
        into += error.reshape(into.shape)
    return below


def _check(x: Array, D: Array, P: Array, g: Geometry, norm: Norm | None, up: Upstream | None = None) -> None:
    """Raises ValueError where shapes do not fit: compiled code would read beyond the arrays."""
    check(x.shape, D.shape, None, g)
    out = g.out_size(x.shape[3]), g.out_size(x.shape[4])
    if D.shape[:2] != (len(P), x.shape[2]) or D.shape[2] != 1:
        raise ValueError(f"half: D is {D.shape}, expected {(len(P), x.shape[2], 1, g.kernel, g.kernel)}.")
    check((len(x), len(P), x.shape[2], *out), P.shape, None, POINT)
    if norm is not None and any(v.shape != D.shape[:2] for v in norm):
        raise ValueError(f"half: a, b and mean must be {D.shape[:2]}, got {[v.shape for v in norm]}.")
    expected = len(x), *P.shape[:2], *out
    if up is not None and (
        up.y.shape != expected or up.g.shape not in (expected, (len(x), 1, *expected[2:]))
    ):
        raise ValueError(f"half: y is {up.y.shape} and g {up.g.shape}; expected {expected}.")


def _plan(g: Geometry, size: tuple[int, int], N: int, C: int) -> Plan:
    return plan(g, size, N, max(384, CACHE // C))


def _coefficients(norm: Norm | None) -> tuple[Array, Array, Array]:
    if norm is None:
        return NONE, NONE, NONE
    a, b, mean = (own(np.asarray(v, np.float32)) for v in norm)
    return a, b, mean


def _taps(D: Array) -> Array:
    """(R, C, k, k)."""
    return own(D).reshape(*D.shape[:2], *D.shape[3:])


def _matrix(P: Array) -> Array:
    """(R, 1, 1, O, C), padded with zeros to fours."""
    R, K, C = P.shape[:3]
    return tiles(P.reshape(R, 1, K, C, 1))


def _past_caches(y: Array, width: int) -> bool:
    """Whether y (N, R, C, size) is more than caches keep for its reader, and each four rows fill their lines."""
    return y.size >= STREAMED and y.shape[3] % WIDTH == 0 and width % ROWS == 0


def _floats(s: Plan, inputs: int, *rows: int) -> int:
    """What the planes of a chunk take: `inputs` of all phases, and others of one plane each."""
    return s.layout[3] * (inputs * s.frame[4] ** 2 + sum(rows))


def _error(x: Array, norm: Norm | None, into: Array | None) -> Array:
    """Where the error goes, (N, L, C, H·W): new memory with a norm, `into` itself where it is contiguous."""
    shape = *x.shape[:3], x.shape[3] * x.shape[4]
    if norm is not None:
        return aligned(*shape)
    if into is not None and into.flags.c_contiguous and into.dtype == np.float32:
        return into.reshape(shape)
    return np.zeros(shape, np.float32)


def _merged(parts: Array, counts: list[int]) -> tuple[Array, Array]:
    """Mean and biased variance (R, O), from each chunk's centre c, Σ (y − c) and Σ (y − c)² over `count` values."""
    centres, sums, squares = parts[:, 0], parts[:, 1], parts[:, 2]
    n, part = (np.array(v, np.float64)[:, None, None] for v in (counts, np.divide(counts, sum(counts))))
    shifts = sums / n
    means = centres + shifts
    mean = (part * means).sum(0)
    variance = (part * (squares / n - shifts**2 + (means - mean) ** 2)).sum(0)
    return mean.astype(np.float32), variance.astype(np.float32)
