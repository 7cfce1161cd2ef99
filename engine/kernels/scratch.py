"""Memory that a thread works in, kept from call to call: fresh pages would cost more than the work done in them."""

import math
import threading

import numpy as np

from .arrays import Array

LINE = 16  # floats of a cache line

_kept = threading.local()


def scratch(floats: int) -> Array:
    """At least `floats` float32 of this thread, aligned to cache lines; what they hold is arbitrary.

    The next call of the same thread gets the same memory."""
    found: Array | None = getattr(_kept, "floats", None)
    if found is None or found.size < floats:
        found = _kept.floats = aligned(floats)
    return found


def aligned(*shape: int) -> Array:
    """A new float32 array that begins on a cache line; what it holds is arbitrary."""
    floats = math.prod(shape)
    whole = np.empty(floats + LINE, np.float32)
    start = (-whole.ctypes.data // whole.itemsize) % LINE
    return whole[start : start + floats].reshape(shape)
