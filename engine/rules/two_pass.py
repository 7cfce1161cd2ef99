"""Forward-only rules: PEPITA (Dellaferrera & Kreiman 2022) and Forward-Forward (Hinton 2022)."""

from ..errors import UsageError
from ..rule import Rule


class TwoPass(Rule):
    """δ is a difference of two forward passes (engine/procedures/two_pass.py); no error travels."""

    family = "forward"
    procedure = "two_pass"
    sends = "none"
    bits = 0.0


class Pepita(TwoPass):
    """PEPITA: ΔW_l = -(h_l - h_l') ⊗ h_{l-1}',  h' the activities where the input is x + F e;  ΔW_L = -e ⊗ h_{L-1}'.

    e = ∂L/∂logits of a sample in the first pass; F (D, K) fixed, Gaussian, of deviation scale·2·√(6/D). The mean over
    samples. δ, which the rule reads, is h_l - h_l', and x is h_{l-1}'.
    """

    name = "pepita"

    def __init__(self, scale: float = 0.05) -> None:
        if scale <= 0:
            raise UsageError(f"rule pepita: scale is {scale:g}, expected more than 0.")
        self.scale = scale


class ForwardForward(TwoPass):
    """Forward-Forward: ΔW = -∂/∂W [ln(1 + exp(θH - g⁺)) + ln(1 + exp(g⁻ - θH))],  g = Σ h²,  h = ReLU(W x̂), H units.

    + and - are passes with the right and with a wrong label in the place of the first K pixels; x̂ is a layer's input at
    root mean square 1, so that no goodness is handed on. The answer is the label with the largest g, summed over the
    layers but the first. The network's last layer takes no part. The mean over samples. δ, which the rule reads, is the
    layer's own ∂/∂y.
    θ is best below the goodness of initial weights, about 0.2 a unit: else both passes are first driven up to it.
    """

    name = "ff"

    def __init__(self, theta: float = 0.1) -> None:
        self.theta = theta
