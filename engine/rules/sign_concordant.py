"""Sign-concordant feedback (Liao, Leibo & Poggio 2016; names as in Sanfiz & Akrout 2021).

The error travels through B, which shares W's signs but not its magnitudes. sign(0) = 0.
"""

from ..backend import Array, array_module
from ..errors import UsageError
from ..kernels import feedback
from ..rule import Rule, State


def sign(W: Array) -> Array:
    signs: Array = array_module(W).sign(W)
    return signs


class UniformSignFeedback(Rule):
    """uSF: δx = s·sign(W)ᵀ δ,  ΔW = -δ ⊗ x

    s is the standard deviation of W's initialiser; usf(scale=1) is B = sign(W), Eq. 3 of the BioNAS paper.
    """

    name = "usf"
    bits = 1.0

    def __init__(self, scale: float | None = None) -> None:
        if scale is not None and scale <= 0:
            raise UsageError(f"rule usf: scale is {scale:g}, expected more than 0.")
        self.scale = scale

    def feedback_weights(self, W: Array, state: State) -> Array:
        return feedback.signs(W, state.s if self.scale is None else self.scale)


class FixedRandomSignFeedback(Rule):
    """frSF: δx = (|R| ∘ sign(W))ᵀ δ,  ΔW = -δ ⊗ x.  R is fixed, drawn from W's initialiser."""

    name = "frsf"
    bits = 1.0

    def feedback_weights(self, W: Array, state: State) -> Array:
        return feedback.random_signs(W, state.draw("R", W))


class BatchRandomSignFeedback(Rule):
    """brSF: δx = (|R| ∘ sign(W))ᵀ δ,  ΔW = -δ ⊗ x.  R is drawn anew after every weight update."""

    name = "brsf"
    bits = 1.0

    def feedback_weights(self, W: Array, state: State) -> Array:
        return feedback.random_signs(W, state.draw("R", W, renew=True))
