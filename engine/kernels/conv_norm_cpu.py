"""The CPU twin of conv_norm.py: a few images at a time pass all operations, so that what lies between stays in the
cache. Nothing new is compiled: the operations are those of conv, channel and residual.
"""

from collections.abc import Sequence
from types import ModuleType

import numpy as np

from . import conv_cpu, dense_cpu, winograd_cpu
from .arrays import Array, own
from .channel_cpu import ZERO, _affine, _combine, _moments, coefficients, merged, rows
from .conv import Geometry, check
from .conv_norm import Below, plain_backward, plain_forward
from .half import Norm, Upstream
from .residual_cpu import _add, _gate
from .threads import LEAST_COST, run
from .ways_cpu import Borders, total

STAGE = 1 << 19  # floats of all maps that pass together
EVEN = 8  # chunks of a batch, or its threads end far apart


def forward(x: Array, M: Array, g: Geometry, norm: Norm | None = None) -> tuple[Array, Array, Array]:
    """As conv_norm.forward."""
    check(x.shape, M.shape, None, g)
    module = _way(x, M, g)
    if module is None:
        return plain_forward(x, M, g, norm)
    (N, R), x = x.shape[:2], own(x)
    way = module.pusher(own(M), g, x.shape[3:], N)
    y = np.empty((N, R, M.shape[1], g.out_size(x.shape[3]), g.out_size(x.shape[4])), np.float32)
    floats = max(x[0].size + y[0].size, EVEN * STAGE // N)
    borders = _blocks(0, N, way.step, floats, way.cost)
    parts = np.zeros((len(borders), 2, R * M.shape[1]))
    ab = None if norm is None else [coefficients(v, x) for v in norm[:2]]

    def work(first: int, last: int, i: int) -> None:
        to = y[first:last]
        way.work(_rectified(x[first:last], ab), to)
        _moments(rows(to), parts[i])

    run(work, borders)
    return y, *merged(parts, borders, y)


def backward(
    up: Upstream,
    x: Array,
    Mb: Array,
    g: Geometry,
    norm: Norm | None = None,
    into: Array | None = None,
    learn: bool = True,
) -> Below:
    """As conv_norm.backward."""
    check(x.shape, Mb.shape, up.y.shape, g)
    module = _way(x, Mb, g)
    if module is None or up.g.shape != up.y.shape or (into is not None and not into.flags.c_contiguous):
        return plain_backward(up, x, Mb, g, norm, into, learn)
    N, x, above, y = len(x), own(x), own(up.g), own(up.y)
    A, B, E = (coefficients(v, y) for v in up[2:])
    abm = None if norm is None else [coefficients(v, x) for v in norm]
    back = module.puller(own(Mb), g, x.shape[3:], N)
    gradient = module.summer(Mb.shape[:3], g, x.shape[3:], N)
    borders = gradient.chunks(N)
    error = np.empty(x.shape, np.float32) if into is None else into
    sums = np.empty((len(borders), *gradient.shape)) if learn else np.empty((len(borders), 1))
    parts = np.zeros((len(borders), 2, x.shape[1] * x.shape[2]))

    def block(first: int, last: int, i: int) -> None:
        seen, to = x[first:last], error[first:last]
        z, delta = _rectified(seen, abm), np.empty(y[first:last].shape, np.float32)
        _combine(rows(above[first:last]), rows(y[first:last]), A, B, E, rows(delta))
        if learn:
            gradient.work(delta, z, sums[i])
        sent = to if abm is None and into is None else np.empty(seen.shape, np.float32)
        back.work(delta, sent)
        if abm is not None:
            gated = to if into is None else np.empty(seen.shape, np.float32)
            _gate(rows(sent), rows(z), rows(seen), abm[2], rows(gated), parts[i])
            sent = gated
        if into is not None:
            _add(sent.reshape(-1), to.reshape(-1))

    def work(first: int, last: int, i: int) -> None:
        sums[i] = 0
        for border in _blocks(first, last, gradient.step, 2 * (x[0].size + y[0].size)):
            block(*border, i)

    run(work, borders)
    dM = gradient.finish(total(sums)) if learn else None
    S0, S1 = parts.sum(0).astype(np.float32).reshape(2, *x.shape[1:3]) if norm is not None else (None, None)
    return Below(dM, None if into is not None else error, S0, S1)


def _way(x: Array, M: Array, g: Geometry) -> ModuleType | None:
    """The module that takes this convolution image by image; None where there is none, or lanes share x."""
    way = conv_cpu.way(g, (x.shape[3], x.shape[4]), M.shape, len(x))
    return way if way in (dense_cpu, winograd_cpu) and x.shape[1] == len(M) else None


def _blocks(first: int, last: int, step: int, floats: int, cost: float = LEAST_COST) -> Borders:
    """Whole steps of images whose maps fit the cache; of `cost` each, they are worth a chunk."""
    size = step * max(1, int(max(STAGE / floats, LEAST_COST / cost)) // step)
    return tuple((i, min(i + size, last)) for i in range(first, last, size))


def _rectified(x: Array, ab: Sequence[Array] | None) -> Array:
    if ab is None:
        return x
    z = np.empty(x.shape, np.float32)
    _affine(rows(x), ab[0], ab[1], ZERO, rows(z))
    return z
