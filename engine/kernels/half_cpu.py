"""The CPU twin of half.py: each image stays on zero-gapped planes in the cache from the first step to the last."""

import numpy as np

from .arrays import Array, own
from .conv import Geometry, check
from .dense_cpu import tiles
from .depthwise_cpu import Plan, back_taps, plan
from .half import POINT, Below, Norm, Upstream
from .half_planes_cpu import backward_planes, forward_planes
from .scratch import scratch
from .threads import chunks, run

CACHE = 24576  # floats that the planes of all channels should have together
PARTIALS = 1 << 20  # the most float64 partial sums of dP
NONE = np.zeros((0, 0), np.float32)


def forward(
    x: Array, D: Array, P: Array, g: Geometry, norm: Norm | None = None
) -> tuple[Array, Array, Array]:
    """As half.forward."""
    (N, L, C, H, W), (R, K) = x.shape, P.shape[:2]
    s = _plan(x, D, P, g, norm)
    y = np.empty((N, R, K, s.out[0] * s.out[1]), np.float32)
    x, D, P = own(x).reshape(N, L, C, H * W), _taps(D), _matrix(P)
    a, b, _ = _coefficients(norm)
    borders = chunks(N, 2.0 * y[0].size * (D[0, 0].size + C), s.stack)
    parts = np.zeros((len(borders), 3, R, K))
    floats = _floats(s, C, P.shape[3], P.shape[4]) + H * W

    def work(first: int, last: int, i: int) -> None:
        memory = scratch(floats)
        forward_planes(
            x[first:last], a, b, D, P, s.layout, s.frame, s.flat, s.down, s.right, memory, y[first:last], parts[i]
        )  # fmt: skip

    run(work, borders)
    return y.reshape(N, R, K, *s.out), *_merged(parts)


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
    (N, L, C, H, W), (R, K) = x.shape, Pb.shape[:2]
    s = _plan(x, D, Pb, g, norm)
    if up.y.shape != (N, R, K, *s.out) or up.g.shape not in (up.y.shape, (N, 1, K, *s.out)):
        raise ValueError(f"half: y is {up.y.shape} and g {up.g.shape}; expected {(N, R, K, *s.out)}.")
    lanes, y = own(up.g).reshape(N, -1, K, s.out[0] * s.out[1]), own(up.y).reshape(N, R, K, -1)
    A, B, E = (own(np.asarray(v, np.float32)) for v in (up.A, up.B, up.E))
    a, b, mean = _coefficients(norm)
    x, D, Db, Pt = own(x).reshape(N, L, C, H * W), _taps(D), back_taps(own(Db), s), _matrix(Pb.swapaxes(1, 2))
    error = _error(x, norm, into)
    most = max(2, min(32, PARTIALS // Pt.size))
    borders = chunks(N, 4.0 * y[0].size * (D[0, 0].size + C), s.stack, most)
    dD = np.zeros((len(borders), R, C, s.taps.size))
    dP = np.zeros((len(borders), R, 1, Pt.shape[4], Pt.shape[3]))
    sums = np.zeros((len(borders), 2, R, C))
    floats = _floats(s, 2 * C, 2 * Pt.shape[3], Pt.shape[4]) + max(s.layout[3], H * W)

    def work(first: int, last: int, i: int) -> None:
        memory = scratch(floats)
        backward_planes(
            lanes[first:last], y[first:last], A, B, E, x[first:last], a, b, mean, D, Db, Pt,
            s.layout, s.frame, s.flat, s.reach, s.down, s.right, *s.back, s.taps, learn,
            memory, error[first:last], sums[i], dD[i], dP[i],
        )  # fmt: skip

    run(work, borders)
    k = g.kernel
    gradients = (
        dD.sum(0)[:, :, : k * k].astype(np.float32).reshape(R, C, 1, k, k),
        dP.sum(0)[:, 0, :K, :C].astype(np.float32).reshape(R, K, C, 1, 1),
    )
    below = Below(*gradients, None, None, None) if learn else Below(None, None, None, None, None)
    if norm is not None:
        S0, S1 = sums.sum(0).astype(np.float32)
        return below._replace(error=error.reshape(N, R, C, H, W), S0=S0, S1=S1)
    if into is not None and not np.shares_memory(error, into):
        into += error.reshape(into.shape)
    return below


def _plan(x: Array, D: Array, P: Array, g: Geometry, norm: Norm | None) -> Plan:
    """Where images and taps lie. Raises ValueError where shapes do not fit: compiled code would read beyond them."""
    check(x.shape, D.shape, None, g)
    size = x.shape[3], x.shape[4]
    out = g.out_size(size[0]), g.out_size(size[1])
    if D.shape[:2] != (len(P), x.shape[2]) or D.shape[2] != 1:
        raise ValueError(f"half: D is {D.shape}, expected {(len(P), x.shape[2], 1, g.kernel, g.kernel)}.")
    check((len(x), len(P), x.shape[2], *out), P.shape, None, POINT)
    if norm is not None and any(v.shape != D.shape[:2] for v in norm):
        raise ValueError(f"half: a, b and mean must be {D.shape[:2]}, got {[v.shape for v in norm]}.")
    return plan(g, size, len(x), max(384, CACHE // x.shape[2]))


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


def _floats(s: Plan, inputs: int, *rows: int) -> int:
    """What the planes of a chunk take: `inputs` of all phases, and others of one plane each."""
    return s.layout[3] * (inputs * s.frame[4] ** 2 + sum(rows))


def _error(x: Array, norm: Norm | None, into: Array | None) -> Array:
    """Where the error goes: a new array with a norm, `into` itself where it is contiguous."""
    if norm is not None:
        return np.empty(x.shape, np.float32)
    if into is not None and into.flags.c_contiguous and into.dtype == np.float32:
        return into.reshape(x.shape)
    return np.zeros(x.shape, np.float32)


def _merged(parts: Array) -> tuple[Array, Array]:
    """Mean and biased variance (R, O) from each chunk's count, mean and Σ (y − mean)² (Chan et al. 1979)."""
    counts, means, squares = parts[:, 0], parts[:, 1], parts[:, 2]
    total = counts.sum(0)
    mean = (counts * means).sum(0) / total
    variance = (squares.sum(0) + (counts * (means - mean) ** 2).sum(0)) / total
    return mean.astype(np.float32), variance.astype(np.float32)
