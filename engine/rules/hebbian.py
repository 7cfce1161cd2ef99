"""The normalised Hebbian rule of BioNAS (Hamzaoui & Baghdadi 2025)."""

from ..backend import Array
from ..maps import patches_of
from ..rule import Maps, Signals
from .local import LocalRule


class Hebbian(LocalRule):
    """Hebb: ΔW = ⟨ŷ ⊗ x̂⟩,  ŷ = y/‖y‖, x̂ = x/‖x‖,  the mean over all patches.

    ‖y‖ runs over the units of a group, ‖x‖ over the patch that they see, so that ‖ΔW‖ ≤ rate. Nothing decays: W grows
    along what is frequent, and only its direction means something (a batch norm behind it, or a constraint on its
    length). In a depthwise layer ŷ is the sign of y.
    """

    name = "hebbian"

    def __init__(self, rate: float = 0.1, sends: str = "none") -> None:
        super().__init__(rate, sends)

    def update(self, maps: Maps, s: Signals) -> Array:
        return maps.associate(s.y, s.x, s.W, self.rate / patches_of(s.y))
