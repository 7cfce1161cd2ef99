"""What all local rules share: a rate, and a choice of what they pass down."""

import numpy as np

from ..backend import Array, array_module
from ..errors import UsageError
from ..rule import FULL_PRECISION_BITS, SENDS, Rule, State


class LocalRule(Rule):
    """Learns from what is present at the synapse; a subclass writes `update` and names what it reads there.

    rate    multiplies ΔW; the optimiser's learning rate comes on top
    sends   "none": the layer below hears nothing from this one, and learns from other paths or by itself;
            "exact": Wᵀ δ; "feedback": Bᵀ δ through a fixed random B, as in FA. Only then is δ read, for that alone
    """

    family = "local"
    reads: tuple[str, ...] = ("x", "y")

    def __init__(self, rate: float = 1.0, sends: str = "none") -> None:
        if rate <= 0:
            raise UsageError(f"rule {self.name}: rate is {rate:g}, expected more than 0.")
        known = [each for each in SENDS if each == sends]
        if not known:
            raise UsageError(f'rule {self.name}: sends is "{sends}", expected one of {", ".join(SENDS)}.')
        self.rate, self.sends = rate, known[0]
        self.reads = type(self).reads if sends == "none" else (*type(self).reads, "delta")
        self.bits = FULL_PRECISION_BITS if sends == "exact" else 0.0

    def feedback_weights(self, W: Array, state: State) -> Array | None:
        if self.sends == "none":
            return None
        return W if self.sends == "exact" else state.draw("B", W)


def nonzero(a: Array) -> Array:
    """max(a, tiny): what may be divided by."""
    larger: Array = array_module(a).maximum(a, np.finfo(a.dtype).tiny)
    return larger
