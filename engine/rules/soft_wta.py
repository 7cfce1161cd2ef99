"""Soft winner-take-all (Lagani, Falchi, Gennaro & Amato 2022, FastHebb)."""

from ..backend import Array
from ..errors import UsageError
from ..rule import Maps, Signals
from .competition import softmax
from .local import LocalRule, nonzero


class SoftWinnerTakeAll(LocalRule):
    """Soft WTA: ΔW = (C ∘ G)ᵀ X - diag(Σ C ∘ G) W,  G = softmax(t·y),  C = G / Σ G.

    G runs over the units of a group: the more a unit wins of a patch, the further it moves towards it. C averages
    over patches, each counting as the unit won of it (Σ over patches, a sum a unit). In a depthwise layer G is 1 and
    each unit becomes the mean patch.
    """

    name = "swta"

    def __init__(self, t: float = 1.0, rate: float = 1.0, sends: str = "none") -> None:
        super().__init__(rate, sends)
        if t <= 0:
            raise UsageError(f"rule swta: t is {t:g}, expected more than 0.")
        self.t = t

    def update(self, maps: Maps, s: Signals) -> Array:
        x, y, W = s.x, s.y, s.W
        G = softmax(self.t * maps.units(y)).reshape(y.shape)
        CG = G * G / nonzero(maps.per_unit(G)).reshape(1, -1, *(1,) * (y.ndim - 2))
        dW: Array = maps.outer(CG, x) - maps.per_unit(CG) * W
        return self.rate * dW
