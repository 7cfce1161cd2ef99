"""How alike two arrays are, and how long: sums in float64, whatever the arrays hold.

norm = √(Σ u²)
angle = 2·atan2(‖û - v̂‖, ‖û + v̂‖), û = u/‖u‖, v̂ = v/‖v‖          (Kahan's form: exact near 0° and 180°)
agreement = #{i: u_i v_i > 0} / #{i: v_i ≠ 0}

(norm_u, norm_v, degrees, share) = likeness(u, v)
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from .arrays import Array, array_module, twins

PIECE = 1 << 15  # elements: what the float64 copies of two arrays leave of a core's cache


@twins
def likeness(u: Array, v: Array) -> Array:
    """(4,) float64: ‖u‖, ‖v‖, the angle in degrees (NaN where one of them is zero), the agreement (NaN where v is
    zero). Arrays of one shape."""
    xp = array_module(u)
    norm_u, norm_v = norm(u), norm(v)
    tiny = np.finfo(np.float64).tiny
    a, b = 1.0 / xp.maximum(norm_u, tiny), 1.0 / xp.maximum(norm_v, tiny)
    apart, along, same, signed = (xp.zeros(()) for _ in range(4))
    for p, q in _pieces(u, v):
        p, q = p * a, q * b
        apart, along = apart + _square(p - q), along + _square(p + q)
        same, signed = same + xp.count_nonzero(p * q > 0), signed + xp.count_nonzero(q)
    angle = xp.degrees(2.0 * xp.arctan2(xp.sqrt(apart), xp.sqrt(along)))
    nothing = xp.asarray(np.nan)
    angle = xp.where((norm_u > 0) & (norm_v > 0), angle, nothing)
    agreement = xp.where(signed > 0, same / xp.maximum(signed, 1), nothing)
    found: Array = xp.stack([norm_u, norm_v, angle, agreement])
    return found


@twins
def norm(u: Array) -> Array:
    """‖u‖, a 0-d float64 array."""
    xp = array_module(u)
    total = xp.zeros(())
    for (p,) in _pieces(u):
        total = total + _square(p)
    root: Array = xp.sqrt(total)
    return root


def _square(p: Array) -> Any:
    return array_module(p).dot(p, p)


def _pieces(*arrays: Array) -> Iterator[tuple[Array, ...]]:
    """The arrays flat and in float64: in pieces that stay in the cache, or whole on a device."""
    flat = [array.reshape(-1) for array in arrays]
    piece = PIECE if isinstance(flat[0], np.ndarray) else max(1, flat[0].size)
    for start in range(0, flat[0].size, piece):
        yield tuple(f[start : start + piece].astype(np.float64) for f in flat)
