"""The CPU twin of octaves.py."""

import numpy as np

from .arrays import Array, own
from .jit import jit
from .octaves import COUNT, SHIFT
from .threads import chunks, run

ROWS = 4  # tables that are counted into in turns: equal neighbours need not wait for each other


def half_octaves(x: Array) -> Array:
    """As octaves.half_octaves."""
    bits = own(x).reshape(-1).view(np.uint32)
    borders = chunks(bits.size, 2)
    parts = np.zeros((len(borders), ROWS, COUNT), np.int64)
    run(lambda first, last, index: _count(bits[first:last], parts[index]), borders)
    found: Array = parts.sum((0, 1))
    return found


@jit
def _count(bits: Array, table: Array) -> None:
    for i in range(bits.size):
        table[i % ROWS, bits[i] >> SHIFT] += 1
