"""A three-factor rule: Hebbian coincidence, gated by a neuromodulator (Frémaux & Gerstner 2016)."""

from ..backend import Array
from ..rule import Maps, Signals
from .hebbian import Hebbian


class ThreeFactor(Hebbian):
    """Three-factor: ΔW = m ⟨ŷ ⊗ x̂⟩,  m the neuromodulator: reward, or surprise, less its running mean.

    ŷ and x̂ as in `hebbian`. What goes together when the network does better than of late is strengthened, and
    weakened when it does worse. `modulator` of the configuration says what m is.
    """

    name = "three_factor"
    reads = ("x", "y", "modulator")

    def update(self, maps: Maps, s: Signals) -> Array:
        m: Array = s.modulator.astype(s.W.dtype)
        return m * super().update(maps, s)
