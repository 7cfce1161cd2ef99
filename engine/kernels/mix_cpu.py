"""The CPU twin of mix.py: `out` is read and written once, whatever the number of lanes."""

import numpy as np

from .arrays import Array, own
from .jit import jit
from .threads import chunks, run
from .tiles_cpu import fetch

BLOCK = 1024  # floats of `out` that stay in the nearest cache while the lanes pass


def mix(y: Array, scale: Array, out: Array) -> None:
    """As mix.mix."""
    (N, R, C), P = y.shape[:3], y.shape[3] * y.shape[4]
    if out.shape != (N, C, *y.shape[3:]):
        raise ValueError(f"mix: out is {out.shape}, the lanes of y are {(N, C, *y.shape[3:])}.")
    scale = np.array(np.broadcast_to(scale, (R, C)))
    lanes, total = own(y).reshape(N, R, C, P), np.ascontiguousarray(out).reshape(N, C, P)
    run(lambda first, last, _: _mix(lanes[first:last], scale, total[first:last]), chunks(N, 2 * y[0].size))
    if not np.shares_memory(total, out):
        out[...] = total.reshape(out.shape)


@jit
def _mix(y: Array, scale: Array, out: Array) -> None:
    N, R, C, P = y.shape
    for n in range(N):
        for c in range(C):
            for first in range(0, P, BLOCK):
                to = out[n, c, first : first + BLOCK]
                for r in range(R):
                    if c + 1 < C:  # each row is a page or less of its own: nothing else would see it coming
                        fetch(y[n, r, c + 1, first : first + BLOCK])
                    row, a = y[n, r, c, first : first + BLOCK], scale[r, c]
                    for i in range(to.size):
                        to[i] += a * row[i]
