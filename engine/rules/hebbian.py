"""The normalised Hebbian rule of BioNAS (Hamzaoui & Baghdadi 2025)."""

import numpy as np

from ..backend import Array, array_module
from ..maps import patches_of
from ..rule import Maps, Signals
from .local import LocalRule

SILENT = 1e-30  # ‖x‖·‖y‖ of a patch that teaches nothing


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
        x, y, xp = s.x, s.y, array_module(s.x)
        group = maps.units(y)
        energy = maps.units(maps.energy(x, s.W))[:, :, :1]  # ‖x‖², the same for all units of a group
        lengths = xp.sqrt((group * group).sum(axis=2, keepdims=True)) * xp.sqrt(energy)
        # both lengths, the mean over patches and the rate are one number a patch, which may go with y
        scale = self.rate / patches_of(y) / xp.where(lengths > SILENT, lengths, np.inf)
        change: Array = maps.outer((group * scale.astype(y.dtype)).reshape(y.shape), x)
        return change
