"""Predictive coding (Rao & Ballard 1999; Whittington & Bogacz 2017)."""

from ..backend import Array
from ..errors import UsageError
from ..rule import FULL_PRECISION_BITS, Rule, State


class PredictiveCoding(Rule):
    """Predictive coding: ΔW_l = (f'(y_l) ∘ ε_l) ⊗ x_{l-1} / β,  ε_l = x_l - f_l(x_{l-1}) where the activities settled.

    The whole network settles first (engine/procedures/relaxation.py): each activity x_l moves down the energy
    ½ Σ ‖ε_l‖² + β·L in `steps` steps of size `step`, β being `beta`; at the logits ε = -β ∂L/∂y. The mean over samples.
    δ, which the rule reads, is -f'(y_l) ∘ ε_l / β, so that all it needs is at the synapse. As β → 0, δ becomes the
    gradient's.
    """

    name = "pc"
    family = "predictive"
    procedure = "relaxation"
    sends = "exact"
    bits = FULL_PRECISION_BITS

    def __init__(self, steps: float = 20, step: float = 0.2, beta: float = 1.0) -> None:
        if steps < 1 or steps != int(steps) or step <= 0 or beta <= 0:
            raise UsageError(
                f"rule pc: steps is {steps:g}, step {step:g}, beta {beta:g}; expected a whole number of steps from 1, "
                "and step and beta above 0."
            )
        self.steps, self.step, self.beta = steps, step, beta

    def feedback_weights(self, W: Array, state: State) -> Array:
        return W
