"""Competitive Hebbian learning of hidden layers (Inoue, Röhrbein & Knoblauch 2026, Eq. 1)."""

from ..backend import Array, array_module
from ..maps import patches_of
from ..rule import Maps, Signals
from .local import LocalRule, nonzero


class CompetitiveHebbian(LocalRule):
    """Inoue: ΔW = Zᵀ (X - Z W) / N,  z = ReLU((abs(y) - μ)/σ) scaled to [0, 1].

    μ and σ are the mean and deviation of abs(y) over the units of a group at one patch, and z is divided by its
    largest value there, so that a factor before the ReLU (the paper's β) changes nothing. Units below the mean stay
    silent and learn nothing: that is the competition. Made for non-negative weights and inputs:
    `inoue+nonneg`. With normalise=1 (the default) the step is divided by Σ z² of the group in place of N, which
    bounds the decay at any number of units; normalise=0 is the equation, for rates as small as the paper's. A lone
    unit is never above the mean: a depthwise layer does not learn.
    """

    name = "inoue"

    def __init__(self, rate: float = 1.0, normalise: float = 1, sends: str = "none") -> None:
        super().__init__(rate, sends)
        self.normalise = normalise

    def update(self, maps: Maps, s: Signals) -> Array:
        x, W = s.x, s.W
        z = activity(maps.units(s.y)).reshape(s.y.shape)
        dW = maps.left(z, x, W)
        return self.rate * dW / (self._energy(maps, z, W) if self.normalise else patches_of(z))

    def _energy(self, maps: Maps, z: Array, W: Array) -> Array:
        """Σ z² over the patches and units of each group, once for each of its units, shaped to divide W."""
        total = nonzero((maps.units(z) ** 2).sum(axis=(0, 2, 3)))
        spread: Array = array_module(z).repeat(total, len(W) // len(total))
        return spread.reshape(-1, *(1,) * (W.ndim - 1))


def activity(y: Array) -> Array:
    """z of the units of each group, y (N, G, U, P)."""
    xp, size = array_module(y), abs(y)
    above = xp.maximum(size - size.mean(axis=2, keepdims=True), 0)  # σ, like β, goes with the last division
    z: Array = above / nonzero(above.max(axis=2, keepdims=True))
    return z
