"""The CPU twin of likeness.py: two passes over memory, one for the norms and one for the rest."""

import math

import numpy as np

from .arrays import Array, own
from .jit import jit
from .threads import chunks, run

TINY = float(np.finfo(np.float64).tiny)


def likeness(u: Array, v: Array) -> Array:
    """As likeness.likeness."""
    if u.shape != v.shape:
        raise ValueError(f"likeness: u is {u.shape}, v is {v.shape}.")
    norm_u, norm_v = float(norm(u)), float(norm(v))
    a, b = 1.0 / max(norm_u, TINY), 1.0 / max(norm_v, TINY)
    u, v = own(u).reshape(-1), own(v).reshape(-1)
    borders = chunks(u.size, 4)
    parts = np.zeros((len(borders), 4))
    run(lambda first, last, index: _compare(u[first:last], v[first:last], a, b, parts[index]), borders)
    apart, along, same, signed = parts.sum(0)
    angle = math.degrees(2.0 * math.atan2(math.sqrt(apart), math.sqrt(along)))
    there = norm_u > 0 and norm_v > 0
    return np.array([norm_u, norm_v, angle if there else np.nan, same / signed if signed else np.nan])


def norm(u: Array) -> Array:
    """As likeness.norm."""
    u = own(u).reshape(-1)
    borders = chunks(u.size, 4)
    parts = np.zeros((len(borders), 1))
    run(lambda first, last, index: _square(u[first:last], parts[index]), borders)
    return np.sqrt(parts.sum())  # type: ignore[no-any-return]  # a scalar of NumPy's


@jit
def _square(u: Array, part: Array) -> None:
    s = 0.0
    for i in range(u.size):
        s += np.float64(u[i]) * u[i]
    part[0] = s


@jit
def _compare(u: Array, v: Array, a: float, b: float, part: Array) -> None:
    apart, along, same, signed = 0.0, 0.0, 0.0, 0.0
    for i in range(u.size):
        p, q = a * u[i], b * v[i]
        apart += (p - q) ** 2
        along += (p + q) ** 2
        same += 1.0 if p * q > 0.0 else 0.0
        signed += 1.0 if q != 0.0 else 0.0
    part[0], part[1], part[2], part[3] = apart, along, same, signed
