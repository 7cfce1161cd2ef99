"""The supernet in which whole cells compete, after Evolutive-NAS (Reolon 2021): at each place of the skeleton

    y = Σ_m q_m · BN(cell_m(before, last)),      ∂L/∂q_m = Σ_places ⟨δ, BN(cell_m(before, last))⟩

cell_m is that of contestant m, with weights of its own at each place. The last norm has no γ and β, so that only q says
what a cell counts.
"""

from collections.abc import Sequence

from ..engine.backend import Array, array_module
from ..engine.step import Step
from .cell import SearchCell
from .linear import Linear
from .network import CellGenotype, FixedCell
from .norm import BatchNorm
from .pointwise import GlobalAverage
from .roles import Roles
from .skeleton import CellPlan, plan, stem
from .supernet import Supernet

Contestant = tuple[CellGenotype, CellGenotype]  # its normal and its reduction cell


class Contest(Supernet):
    """All contestants join as many nodes. Weights q (1, contestants) of both kinds of cell, as if of one edge."""

    def __init__(
        self,
        image_channels: int,
        classes: int,
        contestants: Sequence[Contestant],
        *,
        channels: int,
        cells: int,
        roles: Roles,
    ) -> None:
        self._count, joined = len(contestants), len(contestants[0][0].concat)
        self.stem = stem(image_channels, channels, roles.stem)
        plans = plan(cells, channels, {False: joined, True: joined})
        self.cell = [CompetingCells(p, [c[p.reduction] for c in contestants], roles) for p in plans]
        self.pool = GlobalAverage()
        self.classifier = Linear(plans[-1].channels * joined, classes, [roles.classifier])

    def weights_shape(self) -> tuple[int, int]:
        return 1, self._count


class CompetingCells(SearchCell):
    """One place of the skeleton: a choice among whole cells in the place of one on every edge. It has no tangent."""

    def __init__(self, place: CellPlan, genotypes: Sequence[CellGenotype], roles: Roles) -> None:
        self.reduction = place.reduction
        self.cell = [
            FixedCell(
                place.inputs, place.channels, g, reduction=place.reduction, halve=place.halve, roles=roles
            )
            for g in genotypes
        ]
        self.norm = [BatchNorm(place.channels * len(g.concat), affine=False, track=False) for g in genotypes]

    def forward_pair(self, before: Array, last: Array, q: Array, step: Step) -> Array:
        made = [
            norm.forward(cell.forward_pair(before, last, step), step)
            for cell, norm in zip(self.cell, self.norm, strict=True)
        ]
        step.keep(self, made, q)
        total: Array = sum(weight * y for weight, y in zip(q[0], made, strict=True))
        return total

    def backward_pair(self, delta: Array, step: Step) -> tuple[Array, Array, Array]:
        """The errors of the two inputs, summed over the contestants, and ∂L/∂q (1, contestants)."""
        made, q = step.take(self)
        xp = array_module(delta)
        dq: Array = xp.stack([xp.vdot(delta, y) for y in made])[None]
        errors = []
        for m, (cell, norm) in enumerate(zip(self.cell, self.norm, strict=True)):
            error = norm.backward(q[0, m] * delta, step)
            errors.append(cell.backward_pair(error, step.sharing(q[0, m : m + 1])))
        before, last = (sum(parts[1:], start=parts[0]) for parts in zip(*errors, strict=True))
        return before, last, dq
