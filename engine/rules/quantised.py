"""Feedback between uSF and BP, of this project: quantised magnitudes, and the power family |W|^p |R|^q sign(W)."""

import numpy as np

from ..backend import Array, array_module
from ..errors import UsageError
from ..kernels import feedback
from ..kernels.feedback import rms
from ..rule import Rule, State
from .sign_concordant import sign


class QuantisedSignFeedback(Rule):
    """qSF(b): δx = Bᵀ δ,  B = s·sign(W) ∘ q,  ΔW = -δ ⊗ x.  q is |W| in 2^(b-1) levels.

    That is b bits a weight, the sign included. The magnitudes up to √3 rms(W), the range of a uniform W, are cut into
    L = 2^(b-1) equal bins, larger ones belong to the last; q = (j + ½) / √(L²/3 - 1/12) for bin j has rms 1 for a
    uniform W. b = 1 is uSF.
    """

    name = "qsf"

    def __init__(self, bits: float = 2) -> None:
        if bits not in range(1, 17):
            raise UsageError(f"rule qsf: bits is {bits:g}, expected a whole number from 1 to 16.")
        self.bits = bits

    def feedback_weights(self, W: Array, state: State) -> Array:
        return feedback.quantised(W, state.s, levels=2 ** (int(self.bits) - 1))

    def specification(self) -> str:
        return f"qsf{self.bits:g}"


class PowerSignFeedback(Rule):
    """Power: δx = Bᵀ δ,  B ∝ |W|^p ∘ |R|^q ∘ sign(W),  ΔW = -δ ⊗ x.  R is fixed, drawn from W's initialiser.

    B has W's root mean square. p = 1, q = 0 is BP; p = 0, q = 0 is uSF (with W's present scale); p = 0, q = 1 is frSF.
    """

    name = "power"

    def __init__(self, p: float = 0.5, q: float = 0.0) -> None:
        if p < 0 or q < 0:
            raise UsageError(f"rule power: p is {p:g} and q is {q:g}, expected 0 or more.")
        self.p, self.q = p, q
        self.bits = 1.0 if p == 0 else 32.0

    def feedback_weights(self, W: Array, state: State) -> Array:
        B = sign(W) * abs(W) ** self.p
        if self.q:
            B = B * abs(state.draw("R", W)) ** self.q
        matched: Array = B * (rms(W) / array_module(W).maximum(rms(B), np.finfo(W.dtype).tiny))
        return matched.astype(W.dtype)

    def specification(self) -> str:
        return f"power(p={self.p:g};q={self.q:g})"
