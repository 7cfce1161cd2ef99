"""SoftHebb (Journé, Rodriguez, Guo & Moraitis 2023)."""

from ..backend import Array, array_module
from ..errors import UsageError
from ..rule import Maps, Signals
from .competition import over_largest, softmax, strongest
from .local import LocalRule


class SoftHebb(LocalRule):
    """SoftHebb: ΔW ∝ Yᵀ X - diag(Σ y ∘ u) W,  u = W x,  y = ± softmax(t·u),  + for the winner, - for all others.

    The softmax and the winner are those of a group of units. The step is divided by its largest magnitude, and each
    unit's by that of its distance from length 1: √abs(‖w‖ - 1). Weights start long, (25/√fan_in)·N(0, 1), in the
    paper. In a depthwise layer each unit wins every patch: ΔW ∝ Σ x - u w, Oja's decay without competition.
    """

    name = "softhebb"

    def __init__(self, t: float = 1.0, rate: float = 0.02, sends: str = "none") -> None:
        super().__init__(rate, sends)
        if t <= 0:
            raise UsageError(f"rule softhebb: t is {t:g}, expected more than 0.")
        self.t = t

    def update(self, maps: Maps, s: Signals) -> Array:
        x, u, W, xp = s.x, s.y, s.W, array_module(s.x)
        group = maps.units(u)
        y = softmax(self.t * group) * xp.where(strongest(group, 1)[0], 1, -1)
        y = y.reshape(u.shape).astype(u.dtype)
        dW = maps.outer(y, x) - maps.per_unit(y * u) * W
        length = xp.sqrt((W * W).sum(axis=tuple(range(1, W.ndim)), keepdims=True))
        change: Array = self.rate * xp.sqrt(abs(length - 1)) * over_largest(dW)
        return change
