"""Oja's subspace rule (Oja 1989; the form of Inoue, Röhrbein & Knoblauch 2026, Eq. 1)."""

from ..backend import Array
from ..maps import patches_of
from ..rule import Maps, Signals
from .local import LocalRule, nonzero


class OjaSubspace(LocalRule):
    """Oja: ΔW = Yᵀ (X - Y W) / N.  The rows of W become an orthonormal basis of the principal subspace of X.

    Rows of X are patches, N their number. With normalise=1 (the default) the step is divided by the mean ‖x‖² of a
    patch, so that one rate suits every layer; normalise=0 is the equation as it stands, and diverges where the
    optimiser's rate exceeds about 1/‖x‖². In a depthwise layer each unit is Oja's single neuron (Oja 1982).
    """

    name = "oja"

    def __init__(self, rate: float = 1.0, normalise: float = 1, sends: str = "none") -> None:
        super().__init__(rate, sends)
        self.normalise = normalise

    def update(self, maps: Maps, s: Signals) -> Array:
        x, y, W = s.x, s.y, s.W
        dW = maps.left(y, x, W)
        return self.rate * dW / step_size(maps, x, y, W, self.normalise)


def step_size(maps: Maps, x: Array, y: Array, W: Array, normalise: float) -> Array | float:
    """What a sum over patches is divided by: their number, or the sum of their ‖x‖², unit by unit."""
    return nonzero(maps.per_unit(maps.energy(x, W))) if normalise else float(patches_of(y))
