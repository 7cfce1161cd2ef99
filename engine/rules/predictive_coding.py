"""Predictive coding (Rao & Ballard 1999; Whittington & Bogacz 2017)."""

from ..backend import Array
from ..errors import UsageError
from ..rule import FULL_PRECISION_BITS, Rule, State


class PredictiveCoding(Rule):
    """Predictive coding: ΔW = ε ⊗ x,  ε the prediction error of the layer above once the activities have settled.

    The whole network settles first (engine/procedures/relaxation.py): each layer's activity x_l moves down the energy
    ½ Σ ‖x_l - f_l(x_{l-1})‖² + beta·L in `steps` steps of size `step`. δ, which the rule reads, is then the error of
    the energy at its own output, and all that it reads is there. As beta → 0 the settled errors are the gradient's.
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
