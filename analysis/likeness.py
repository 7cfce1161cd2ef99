"""How alike two arrays are: norms, angle, signs. In float64, whatever the arrays hold; on their own device."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ..engine.backend import Array, array_module

CHUNK = 1 << 15  # elements: what the float64 copies of two arrays leave of a core's cache


class Likeness(NamedTuple):
    """Of u and a reference v; 0-d arrays on the device.

    angle      degrees, 2·atan2(‖û - v̂‖, ‖û + v̂‖) of the unit vectors û, v̂ (Kahan's form: exact near 0 and 180);
               NaN where one of them is zero
    agreement  the share of v's nonzero components whose sign u shares; NaN where v is zero
    """

    norm: Array
    reference: Array
    angle: Array
    agreement: Array


def likeness(u: Array, v: Array) -> Likeness:
    """Arrays of one shape."""
    xp = array_module(u)
    norm_u, norm_v = norm(u), norm(v)
    tiny = np.finfo(np.float64).tiny
    a, b = 1.0 / xp.maximum(norm_u, tiny), 1.0 / xp.maximum(norm_v, tiny)
    apart, along, same, signed = (xp.zeros(()) for _ in range(4))
    for p, q in _chunks(u, v):
        p, q = p * a, q * b
        apart, along = apart + _square(p - q), along + _square(p + q)
        same, signed = same + xp.count_nonzero(p * q > 0), signed + xp.count_nonzero(q)
    angle = xp.degrees(2.0 * xp.arctan2(xp.sqrt(apart), xp.sqrt(along)))
    nothing = xp.asarray(np.nan)
    angle = xp.where((norm_u > 0) & (norm_v > 0), angle, nothing)
    return Likeness(norm_u, norm_v, angle, xp.where(signed > 0, same / xp.maximum(signed, 1), nothing))


def norm(u: Array) -> Array:
    """‖u‖, accumulated in float64; a 0-d array."""
    xp = array_module(u)
    total = xp.zeros(())
    for (p,) in _chunks(u):
        total = total + _square(p)
    root: Array = xp.sqrt(total)
    return root


def _square(p: Array) -> Any:
    return array_module(p).dot(p, p)


def _chunks(*arrays: Array) -> Iterator[tuple[Array, ...]]:
    """The arrays flat and in float64: in pieces that stay in the cache, or whole on a device."""
    flat = [array.reshape(-1) for array in arrays]
    piece = CHUNK if isinstance(flat[0], np.ndarray) else max(1, flat[0].size)
    for start in range(0, flat[0].size, piece):
        yield tuple(f[start : start + piece].astype(np.float64) for f in flat)
