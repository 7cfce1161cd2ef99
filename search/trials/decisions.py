"""Spaces of candidates as decisions: a genome, one alternative of each decision, is a genotype.

DARTS           of each node, in the normal and in the reduction cell: which two earlier nodes it reads, and what
                stands on each of the two edges, an (operation, rule) pair
NAS-Bench-201   of each of the six edges an (operation, rule) pair
a genotype      of each edge with weights its rule
parts           beside any of these: of a fixed part of the network its rule
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Protocol

from ...engine.errors import UsageError, did_you_mean
from ...engine.lanes import is_taught
from ...engine.registry import make_rule
from ..genotype import AnyGenotype, Genotype, GenotypeEdge
from ..genotype201 import PARTS, Genotype201
from ..nasbench201 import Cell, CellDecisions
from ..space import Candidate


class Decisions(Protocol):
    """sizes: alternatives of each decision. nothing: the alternative by which any of them connects nothing.
    starts: genomes that every search begins with."""

    sizes: tuple[int, ...]
    nothing: int | None
    starts: Sequence[tuple[int, ...]]

    def genotype(self, genome: Sequence[int]) -> AnyGenotype: ...


class DartsDecisions:
    """Cells of `nodes` nodes with two edges each, as DARTS' parse leaves them; "none" is no candidate."""

    nothing: int | None = None
    starts: Sequence[tuple[int, ...]] = ()

    def __init__(self, candidates: Sequence[Candidate], nodes: int) -> None:
        self.candidates = [c for c in candidates if c.operation != "none"]
        self.nodes = range(2, nodes + 2)
        self.pairs = {node: list(combinations(range(node), 2)) for node in self.nodes}
        k = len(self.candidates)
        self.sizes = tuple(size for n in self.nodes for size in (len(self.pairs[n]), k, k)) * 2

    def genotype(self, genome: Sequence[int]) -> Genotype:
        half = len(genome) // 2
        normal, reduce = self._cell(genome[:half]), self._cell(genome[half:])
        return Genotype(normal=normal, reduce=reduce, concat=list(self.nodes))

    def _cell(self, genome: Sequence[int]) -> list[GenotypeEdge]:
        edges = []
        for n, node in enumerate(self.nodes):
            pair, *chosen = genome[3 * n : 3 * n + 3]
            for source, k in zip(self.pairs[node][pair], chosen, strict=True):
                operation, rule = self.candidates[k]
                edges.append(GenotypeEdge(node=node, source=source, op=operation, rule=rule))
        return edges


class Decisions201:
    """NAS-Bench-201's cell, a rule on every convolution."""

    nothing: int | None = 0  # "none"
    starts: Sequence[tuple[int, ...]] = ()

    def __init__(self, rules: Sequence[str]) -> None:
        self.cells = CellDecisions(rules)
        self.sizes = self.cells.sizes

    def genotype(self, genome: Sequence[int]) -> Genotype201:
        return Genotype201(cell=str(self.cells.cell(genome)))


class RuleDecisions:
    """The operations of `fixed`, whose edges with weights choose among `rules`. It starts with each rule everywhere:
    what all assignments are measured by.

    Raises UsageError for a genotype without such an edge.
    """

    nothing: int | None = None

    def __init__(self, fixed: AnyGenotype, rules: Sequence[str]) -> None:
        self.fixed, self.rules = fixed, [str(make_rule(rule)) for rule in rules]
        places = fixed.chosen().choices if isinstance(fixed, Genotype201) else [*fixed.normal, *fixed.reduce]
        self.sizes = (len(self.rules),) * sum(place.rule is not None for place in places)
        self.starts: Sequence[tuple[int, ...]] = [(k,) * len(self.sizes) for k in range(len(self.rules))]
        if not self.sizes:
            raise UsageError("the genotype has no edge with weights, so there is no rule to choose.")

    def genotype(self, genome: Sequence[int]) -> AnyGenotype:
        chosen = iter([self.rules[k] for k in genome])
        bare = self.fixed.model_copy(update={"score": {}, "provenance": {}, "rule_files": {}})
        if isinstance(bare, Genotype201):
            choices = [
                Candidate(c.operation, next(chosen) if c.rule else None) for c in bare.chosen().choices
            ]
            return bare.model_copy(update={"cell": str(Cell(tuple(choices)))})

        def ruled(edges: Sequence[GenotypeEdge]) -> list[GenotypeEdge]:
            return [e.model_copy(update={"rule": next(chosen) if e.rule else None}) for e in edges]

        return bare.model_copy(update={"normal": ruled(bare.normal), "reduce": ruled(bare.reduce)})


class WithParts:
    """`inner`, and of each of `parts` its rule; the other fixed parts learn by `roles`.

    The classifier chooses among those rules that hear of the labels. Raises UsageError where there is none, and for a
    part that the network does not have.
    """

    def __init__(
        self, inner: Decisions, parts: Sequence[str], rules: Sequence[str], roles: Mapping[str, str]
    ) -> None:
        self.inner, self.nothing, self.roles = inner, inner.nothing if not parts else None, dict(roles)
        named = [str(make_rule(rule)) for rule in rules]
        taught = [rule for rule in named if is_taught(make_rule(rule))]
        self.parts = {part: taught if part == "classifier" else named for part in parts}
        if isinstance(inner.genotype([0] * len(inner.sizes)), Genotype201):
            for part in parts:
                if part not in PARTS:
                    raise UsageError(f'"{part}" is no part of NAS-Bench-201.', did_you_mean(part, PARTS))
            self.roles = {part: rule for part, rule in self.roles.items() if part in PARTS}
        if not all(self.parts.values()):
            raise UsageError("no rule hears of the labels, so that the classifier would learn none.")
        self.sizes = (*inner.sizes, *(len(each) for each in self.parts.values()))
        self.starts: Sequence[tuple[int, ...]] = [
            self._start(start, rule) for start, rule in zip(inner.starts, named, strict=False)
        ]

    def _start(self, start: tuple[int, ...], rule: str) -> tuple[int, ...]:
        """The parts by the same rule, but a classifier that it would not teach."""
        return (*start, *(rules.index(rule) if rule in rules else 0 for rules in self.parts.values()))

    def genotype(self, genome: Sequence[int]) -> AnyGenotype:
        own = len(self.inner.sizes)
        chosen = {p: rules[k] for (p, rules), k in zip(self.parts.items(), genome[own:], strict=True)}
        return self.inner.genotype(genome[:own]).with_roles(self.roles | chosen)
