"""Competing hidden units (Krotov & Hopfield 2019)."""

from ..backend import Array, array_module
from ..errors import UsageError
from ..rule import Maps, Signals
from .competition import over_largest, strongest
from .local import LocalRule


class KrotovHopfield(LocalRule):
    """Krotov–Hopfield: ΔW ∝ Gᵀ X - diag(Σ g ∘ u) W,  u = (sign(W) ∘ abs(W)^(p-1)) x

    The step is divided by its largest magnitude. g = 1 for the strongest unit of its group, -anti for the one of
    rank k (k = 2: the second), 0 for the others. Units end at length 1 in the p-norm. In a depthwise layer each unit
    wins every patch and none is pushed away.
    """

    name = "krotov_hopfield"
    reads = ("x",)

    def __init__(
        self, p: float = 2, k: float = 2, anti: float = 0.4, rate: float = 0.02, sends: str = "none"
    ) -> None:
        super().__init__(rate, sends)
        if p < 1 or k < 2 or k != int(k):
            raise UsageError(
                f"rule {self.name}: p is {p:g}, k is {k:g}; expected p from 1 and a whole k from 2."
            )
        self.p, self.k, self.anti = p, k, anti

    def update(self, maps: Maps, s: Signals) -> Array:
        x, W, xp = s.x, s.W, array_module(s.x)
        u = maps.push(x, W if self.p == 2 else xp.sign(W) * abs(W) ** (self.p - 1))
        k = int(self.k)
        masks = strongest(maps.units(u), k)
        g = masks[0].astype(x.dtype)
        if len(masks) == k:
            g -= x.dtype.type(self.anti) * masks[k - 1]
        g = g.reshape(u.shape)
        dW = maps.outer(g, x) - maps.per_unit(g * u) * W
        return self.rate * over_largest(dW)
