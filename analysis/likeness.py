"""How alike two arrays are: norms, angle, signs. In float64, whatever the arrays hold; on their own device."""

from typing import NamedTuple

from ..engine.backend import Array
from ..engine.kernels import likeness as kernel

norm = kernel.norm


class Likeness(NamedTuple):
    """Of u and a reference v; numbers on the device.

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
    return Likeness(*kernel.likeness(u, v))
