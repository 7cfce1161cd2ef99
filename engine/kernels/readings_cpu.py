"""The CPU twin of readings.py: a few images at a time, which stay in the cache from the first addend to the last."""

from collections.abc import Callable, Sequence

import numpy as np

from .arrays import Array, own
from .channel_cpu import _combine, coefficients, rows
from .jit import jit
from .mix_cpu import _mix
from .pool_cpu import puller
from .readings import Pooled, added
from .scratch import scratch
from .threads import chunks, run

ZERO = np.float32(0)
COST = 6  # operations for a float of the error and an addend
Add = Callable[[int, int, Array], None]  # (first, last, out (images, C·H·W)) of images [first, last)


def collect(error: Array, rectified: Array | None, arrived: Sequence[Array], pools: Sequence[Pooled]) -> None:
    """As readings.collect."""
    if not error.flags.c_contiguous:
        raise ValueError(f"collect: what changes in place is not contiguous: strides {error.strides}.")
    flat = error.reshape(len(error), -1)
    adders = [_through(pooled) for pooled in pools]
    if rectified is not None:
        if any(e.shape != error.shape for e in (rectified, *arrived)):
            raise ValueError(
                f"collect: the error is {error.shape}, arrived are {[e.shape for e in arrived]}."
            )
        adders.insert(0, _where_positive(rectified, arrived))

    def work(first: int, last: int, _: int) -> None:
        for add in adders:
            add(first, last, flat[first:last])

    run(work, chunks(len(flat), COST * (len(adders) + 1) * flat[0].size))


def _where_positive(rectified: Array, arrived: Sequence[Array]) -> Add:
    r, *errors = (own(e).reshape(len(e), -1) for e in (rectified, *arrived))

    def add(first: int, last: int, out: Array) -> None:
        for e in errors:
            _add_where_positive(r[first:last], e[first:last], out)

    return add


def _through(pooled: Pooled) -> Add:
    y, (first_up, *ups), how = pooled
    A, B, E = (coefficients(v, y) for v in (first_up.A, *added(pooled.ups)))
    images, g, C, size = rows(y), rows(first_up.g), y.shape[2], how.size[0] * how.size[1]
    _, back = puller(how, y.shape)
    others = [(own(up.g).reshape(len(y), 1, C, -1), own(up.A)) for up in ups]

    def add(first: int, last: int, out: Array) -> None:
        some = images[first:last]
        memory = scratch(some.size + out.size)
        delta, dx = (
            memory[: some.size].reshape(some.shape),
            memory[some.size :][: out.size].reshape(out.shape),
        )
        _combine(g[first:last], some, A, B, E, delta)
        for other, scale in others:
            _mix(other[first:last], scale, delta)
        dx[:] = ZERO
        back(delta.reshape(-1, some.shape[2]), dx.reshape(-1, size), first * C, last * C)
        np.add(out, dx, out=out)

    return add


@jit
def _add_where_positive(r: Array, e: Array, out: Array) -> None:
    for n in range(len(out)):
        y, up, to = r[n], e[n], out[n]
        for i in range(to.size):
            to[i] += up[i] if y[i] > ZERO else ZERO
