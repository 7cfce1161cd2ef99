"""Hebbian principal component analysis (Sanger 1989; batched as in FastHebb, Lagani et al. 2022)."""

from ..backend import Array, array_module
from ..rule import Maps, Signals
from .local import LocalRule
from .oja import step_size


class HebbianPCA(LocalRule):
    """HPCA: ΔW = (Yᵀ X - tril(Yᵀ Y) W) / N.  Row after row becomes a principal component, largest variance first.

    tril keeps the diagonal: a unit's decay counts itself and the units before it in its group. normalise is as in
    `oja`. In a depthwise layer each unit is Oja's single neuron.
    """

    name = "hpca"

    def __init__(self, rate: float = 1.0, normalise: float = 1, sends: str = "none") -> None:
        super().__init__(rate, sends)
        self.normalise = normalise

    def update(self, maps: Maps, s: Signals) -> Array:
        x, y, W = s.x, s.y, s.W
        dW: Array = maps.outer(y, x) - maps.among(array_module(y).tril(maps.gram(y, y)), W)
        return self.rate * dW / step_size(maps, x, y, W, self.normalise)
