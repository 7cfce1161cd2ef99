"""What genotype.json holds in every space, beside the cells that were searched."""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from ..engine.errors import UsageError, did_you_mean
from ..engine.registry import make_rule
from ..engine.rule import Rule
from ..layers.roles import Roles


class GenotypeFile(BaseModel):
    """Format 1. rules: of the parts that are not searched; one that is not named learns by BP."""

    parts: ClassVar[Sequence[str]]
    model_config = ConfigDict(extra="forbid")
    format: Literal[1] = 1
    rules: dict[str, str] = Field(default_factory=dict)
    rule_files: dict[str, dict[str, str]] = Field(default_factory=dict)
    weights_per_rule: dict[str, float] = Field(default_factory=dict)
    transported_bits: float | None = None
    score: dict[str, Any] = Field(default_factory=dict)
    provenance: dict[str, Any] = Field(default_factory=dict)

    def searched_rules(self) -> Iterable[str]:
        """Of the searched edges that have one."""
        raise NotImplementedError

    def used_rules(self) -> list[Rule]:
        """Of the searched edges and of the fixed parts."""
        return [make_rule(spec) for spec in dict.fromkeys([*self.searched_rules(), *self.rules.values()])]

    def roles(self) -> Roles:
        return Roles(**{role: make_rule(spec) for role, spec in self.rules.items()})

    def with_roles(self, rules: dict[str, str]) -> Self:
        """The same cells, these fixed parts learning by these rules. Raises UsageError for an unknown part."""
        self.check_parts(rules)
        return self.model_copy(update={"rules": self.rules | rules})

    @classmethod
    def check_parts(cls, rules: dict[str, str]) -> None:
        """Raises UsageError for what is no fixed part of the network, or no rule."""
        for role, spec in rules.items():
            if role not in cls.parts:
                raise UsageError(f'rules: "{role}" is no part of the network.', did_you_mean(role, cls.parts))
            make_rule(spec)

    def to_json(self) -> dict[str, Any]:
        """The cells before what all spaces have."""
        tree = self.model_dump(by_alias=True)
        shared = [name for name in GenotypeFile.model_fields if name != "format"]
        cells = [name for name in tree if name not in GenotypeFile.model_fields]
        return {name: tree[name] for name in ("format", *cells, *shared)}
