"""Which rule the fixed parts of a network learn by; the searched edges bring their own."""

from dataclasses import dataclass, field

from ..engine.rule import Rule
from ..engine.rules.backprop import BackPropagation

ROLES = ("stem", "preprocess", "reduce", "auxiliary", "classifier")


@dataclass(frozen=True)
class Roles:
    """The published network learns all of these by BP (field: BioNAS, Hamzaoui & Baghdadi 2025)."""

    stem: Rule = field(default_factory=BackPropagation)
    preprocess: Rule = field(default_factory=BackPropagation)
    reduce: Rule = field(default_factory=BackPropagation)
    auxiliary: Rule = field(default_factory=BackPropagation)
    classifier: Rule = field(default_factory=BackPropagation)
