"""Feedback alignment (Lillicrap, Cownden, Tweed & Akerman 2016)."""

from ..backend import Array
from ..rule import Rule, State


class FeedbackAlignment(Rule):
    """FA: δx = Bᵀ δ,  ΔW = -δ ⊗ x.  B is fixed, random, drawn from W's initialiser, independent of W."""

    name = "fa"
    bits = 0.0

    def feedback_weights(self, W: Array, state: State) -> Array:
        return state.draw("B", W)
