"""What a found genotype has to be compared with: the same operations and other rules, or less learning.

    found     as it was found; others that were found beside it, by their names
    R         every searched edge by rule R, for each of some rules
    random    rules drawn anew for each seed, uniformly
    top       BP above the last reduction; below it nothing learns
    frozen    BP in the classifier; nothing else learns

Each row is trained with each seed, by `bionas-cupy train` in a folder of its own, so that any of them can be resumed,
inspected, tested again and compared by itself.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..engine.errors import UsageError
from ..engine.random import Key
from ..engine.registry import make_rule
from .genotype import AnyGenotype
from .genotype201 import Genotype201
from .strategies.strategy import random_genome
from .trials.decisions import RuleDecisions

ROWS = ("found", "random", "top", "frozen")


class Baseline(NamedTuple):
    """A row's training with one seed: its genotype, and what is set beside."""

    row: str
    seed: int
    genotype: AnyGenotype
    settings: dict[str, Any]

    @property
    def name(self) -> str:
        """Of its folder."""
        return f"{self.row}-{self.seed}"


def baselines(
    genotype: AnyGenotype,
    rules: Sequence[str],
    seeds: Sequence[int],
    cells: int | None,
    beside: Mapping[str, AnyGenotype] | None = None,
) -> list[Baseline]:
    """All trainings, seed after seed. cells: of the network, None for the usual number. beside: other genotypes by
    the names of their rows. Raises UsageError where there is no rule to choose, and for two rows of one name."""
    space = RuleDecisions(genotype, rules)
    bp = genotype.with_rule("bp").with_roles(dict.fromkeys(genotype.rules, "bp"))
    same = [(rule, genotype.with_rule(rule)) for rule in space.rules]
    others = dict(beside or {})
    names = [*ROWS, *space.rules, *others]
    clash = next((name for name in names if names.count(name) > 1), None)
    if clash is not None:
        raise UsageError(
            f'Two rows would be named "{clash}".', "Rename the genotype's file or folder, or the rule."
        )
    found = []
    for seed in seeds:
        drawn = random_genome(space.sizes, Key(seed).to("random rules"))
        rows: list[tuple[str, AnyGenotype, str | None]] = [
            ("found", genotype, None),
            *((name, each, None) for name, each in others.items()),
            *((rule, each, None) for rule, each in same),
            ("random", space.genotype(drawn), None),
            ("top", bp, top_block(genotype, cells)),
            ("frozen", bp, "classifier"),
        ]
        found += [
            Baseline(row, seed, each, {"learn_from": block} if block else {}) for row, each, block in rows
        ]
    return found


def top_block(genotype: AnyGenotype, cells: int | None) -> str:
    """The lowest block above the last reduction of the genotype's network; of a network of one or two cells the
    last cell."""
    if isinstance(genotype, Genotype201):
        return "stage2_cell0"
    number = 8 if cells is None else cells
    return f"cell{min(2 * number // 3 + 1, number - 1)}"


def usual_rules(genotype: AnyGenotype) -> list[str]:
    """BP, and the rules among which the search chose; where the genotype does not say, those that it uses."""
    known = genotype.provenance.get("rules")
    named = known if isinstance(known, list) else [str(rule) for rule in genotype.used_rules()]
    return list(dict.fromkeys(["bp", *(str(make_rule(rule)) for rule in named)]))
