"""genotype.json of NAS-Bench-201's space: one cell as its string, a rule on every convolution."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..engine.errors import UsageError, did_you_mean
from ..engine.registry import make_rule
from ..engine.rule import Rule
from ..layers.nasbench201 import NasBench201Network
from ..layers.roles import Roles
from .image_shape import ImageShape
from .nasbench201 import Cell, parse_cell

STAGES = 3
PARTS = ("stem", "reduce", "classifier")  # that are not searched


class Genotype201(BaseModel):
    """Format 1. `cell`: the published string, with the rule of each convolution (search/nasbench201.py)."""

    model_config = ConfigDict(extra="forbid")
    format: Literal[1] = 1
    space: Literal["nasbench201"] = "nasbench201"
    cell: str
    rules: dict[str, str] = Field(default_factory=dict)
    rule_files: dict[str, dict[str, str]] = Field(default_factory=dict)
    weights_per_rule: dict[str, float] = Field(default_factory=dict)
    transported_bits: float | None = None
    score: dict[str, Any] = Field(default_factory=dict)
    provenance: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _known(self) -> "Genotype201":
        try:
            parse_cell(self.cell)
            check_parts(self.rules)
        except UsageError as error:
            raise ValueError(str(error)) from None
        return self

    def chosen(self) -> Cell:
        return parse_cell(self.cell)

    def used_rules(self) -> list[Rule]:
        """Of the searched edges and of the fixed parts."""
        edges = [c.rule for c in self.chosen().choices if c.rule]
        return [make_rule(spec) for spec in dict.fromkeys([*edges, *self.rules.values()])]

    def with_rule(self, rule: str) -> "Genotype201":
        """The same cell, every convolution learning by this rule."""
        return self.model_copy(update={"cell": str(self.chosen().with_rule(rule))})

    def with_roles(self, rules: dict[str, str]) -> "Genotype201":
        """The same cell, these fixed parts learning by these rules. Raises UsageError for an unknown part."""
        check_parts(rules)
        return self.model_copy(update={"rules": self.rules | rules})

    def network(
        self, shape: ImageShape, channels: int, cells: int | None, auxiliary: bool = False
    ) -> NasBench201Network:
        """cells: the searched ones, of all three stages together; None for the published 15."""
        if auxiliary:
            raise UsageError("NAS-Bench-201's network has no auxiliary head.", "Leave out --set auxiliary.")
        cells = 15 if cells is None else cells
        if cells % STAGES:
            raise UsageError(f"{cells} cells cannot be shared by {STAGES} stages.", "Take a multiple of 3.")
        return NasBench201Network(
            shape.channels,
            (shape.height, shape.width),
            shape.classes,
            self.chosen().edges(),
            channels=channels,
            cells=cells // STAGES,
            roles=Roles(**{role: make_rule(spec) for role, spec in self.rules.items()}),
        )

    def to_json(self) -> dict[str, Any]:
        return self.model_dump()


def check_parts(rules: dict[str, str]) -> None:
    """Raises UsageError for what is no fixed part of the network, or no rule."""
    for role, spec in rules.items():
        if role not in PARTS:
            raise UsageError(f'rules: "{role}" is no part of the network.', did_you_mean(role, PARTS))
        make_rule(spec)
