"""Back-propagation (Rumelhart, Hinton & Williams 1986)."""

from ..backend import Array
from ..rule import FULL_PRECISION_BITS, Rule, State


class BackPropagation(Rule):
    """BP: δx = Wᵀ δ,  ΔW = -δ ⊗ x.  The exact gradient: every weight is transported in full precision."""

    name = "bp"
    sends = "exact"
    bits = FULL_PRECISION_BITS

    def feedback_weights(self, W: Array, state: State) -> Array:
        return W
