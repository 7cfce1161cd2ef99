"""genotype.json of NAS-Bench-201's space: one cell as its string, a rule on every convolution."""

from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import model_validator

from ..engine.errors import UsageError
from ..engine.words import several
from ..layers.nasbench201 import NasBench201Network
from .genotype_file import GenotypeFile
from .image_shape import ImageShape
from .nasbench201 import Cell, parse_cell

STAGES = 3
PARTS = ("stem", "reduce", "classifier")  # that are not searched


class Genotype201(GenotypeFile):
    """`cell`: the published string, with the rule of each convolution (search/nasbench201.py)."""

    parts: ClassVar[Sequence[str]] = PARTS
    space: Literal["nasbench201"] = "nasbench201"
    cell: str

    @model_validator(mode="after")
    def _known(self) -> "Genotype201":
        try:
            parse_cell(self.cell)
            self.check_parts(self.rules)
        except UsageError as error:
            raise ValueError(str(error)) from None
        return self

    def chosen(self) -> Cell:
        return parse_cell(self.cell)

    def searched_rules(self) -> list[str]:
        return [c.rule for c in self.chosen().choices if c.rule]

    def with_rule(self, rule: str) -> "Genotype201":
        """The same cell, every convolution learning by this rule."""
        return self.model_copy(update={"cell": str(self.chosen().with_rule(rule))})

    def network(
        self, shape: ImageShape, channels: int, cells: int | None, auxiliary: bool = False
    ) -> NasBench201Network:
        """cells: the searched ones, of all three stages together; None for the published 15."""
        if auxiliary:
            raise UsageError("NAS-Bench-201's network has no auxiliary head.", "Leave out --set auxiliary.")
        cells = 15 if cells is None else cells
        if cells % STAGES:
            raise UsageError(
                f"{several(cells, 'cell')} cannot be shared by {STAGES} stages.", "Take a multiple of 3."
            )
        return NasBench201Network(
            shape.channels,
            (shape.height, shape.width),
            shape.classes,
            self.chosen().edges(),
            channels=channels,
            cells=cells // STAGES,
            roles=self.roles(),
        )
