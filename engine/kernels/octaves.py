"""How many values lie in each half octave: [2^k, 1.5·2^k) and [1.5·2^k, 2^(k+1)), of both signs.

A float32's sign, exponent and first bit of the fraction, its upper ten bits, are the number of its half octave.

    counts = half_octaves(x)
"""

import numpy as np

from .arrays import Array, array_module, twins

COUNT = 1024
SHIFT = 22
PIECE = 1 << 16  # elements that stay in a core's cache with what is made of them


@twins
def half_octaves(x: Array) -> Array:
    """(COUNT,) int64, of x as float32."""
    xp = array_module(x)
    bits = x.astype(np.float32).reshape(-1).view(np.uint32)
    piece = PIECE if xp is np else max(1, bits.size)
    counts = xp.zeros(COUNT, np.int64)
    for start in range(0, bits.size, piece):
        of = (bits[start : start + piece] >> np.uint32(SHIFT)).astype(np.int64)
        counts += xp.bincount(of, minlength=COUNT)
    found: Array = counts
    return found
