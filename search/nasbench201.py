"""NAS-Bench-201's space with a rule on every convolution: cells as strings, and as decisions.

    |nor_conv_3x3:usf~0|+|none~0|nor_conv_1x1:fa~1|+|skip_connect~0|none~1|avg_pool_3x3~2|

is the published format, `operation~source` for each edge into nodes 1, 2 and 3, with `:rule` after an operation that
has weights. Without it the rule is bp, so every published string is read; `plain` prints one.
"""

from collections.abc import Sequence
from typing import NamedTuple

from ..engine.errors import UsageError, did_you_mean
from ..engine.registry import make_rule
from ..layers.chosen import Edge
from ..layers.nasbench201 import EDGES, OPERATIONS, WEIGHTED
from .space import Candidate

FORM = "|op~0|+|op~0|op~1|+|op~0|op~1|op~2|"


class Cell(NamedTuple):
    """What stands on each edge, in the order of the string."""

    choices: tuple[Candidate, ...]

    def __str__(self) -> str:
        return self._print([f"{c.operation}:{c.rule}" if c.rule else c.operation for c in self.choices])

    @property
    def plain(self) -> str:
        """The published string, without rules: what tables are indexed by."""
        return self._print([c.operation for c in self.choices])

    @staticmethod
    def _print(names: Sequence[str]) -> str:
        edges = list(zip(EDGES, names, strict=True))
        nodes = [[f"{name}~{source}" for (to, source), name in edges if to == node] for node in (1, 2, 3)]
        return "+".join(f"|{'|'.join(node)}|" for node in nodes)

    def edges(self) -> list[Edge]:
        """As NasBench201Network takes them."""
        return [
            Edge(node, source, c.operation, make_rule(c.rule) if c.rule else None)
            for (node, source), c in zip(EDGES, self.choices, strict=True)
        ]

    def with_rule(self, rule: str) -> "Cell":
        """The same operations, all learning by this rule."""
        name = str(make_rule(rule))
        return Cell(tuple(Candidate(c.operation, name if c.rule else None) for c in self.choices))


def parse_cell(text: str) -> Cell:
    """The cell of a string. Raises UsageError for another form, an unknown operation or rule."""
    nodes = [node.strip("|").split("|") for node in text.strip().split("|+|")]
    if [len(node) for node in nodes] != [1, 2, 3] or not (text.startswith("|") and text.endswith("|")):
        raise UsageError(f'cell "{text}" cannot be read: expected the form {FORM}.')
    parts = [part for node in nodes for part in node]
    return Cell(tuple(_edge(part, source, text) for part, (_, source) in zip(parts, EDGES, strict=True)))


def _edge(part: str, source: int, text: str) -> Candidate:
    name, tilde, told = part.rpartition("~")
    if not tilde or told != str(source):
        raise UsageError(
            f'cell "{text}": "{part}" stands where an edge from node {source} is expected.',
            f"The form is {FORM}.",
        )
    operation, _, rule = name.partition(":")
    if operation not in OPERATIONS:
        raise UsageError(
            f'cell "{text}": operation "{operation}" is unknown.', did_you_mean(operation, OPERATIONS)
        )
    if rule and operation not in WEIGHTED:
        raise UsageError(f'cell "{text}": {operation} has no weights, so it has no rule.')
    return Candidate(operation, str(make_rule(rule or "bp")) if operation in WEIGHTED else None)


class CellDecisions:
    """The space as decisions: for each of the six edges one of `alternatives`, (operation, rule) pairs."""

    def __init__(self, rules: Sequence[str] = ("bp",)) -> None:
        named = list(dict.fromkeys(str(make_rule(rule)) for rule in rules))
        if not named:
            raise UsageError("no rule is given for the convolutions.", "Name one, for instance --rules usf.")
        self.alternatives = [
            Candidate(operation, rule)
            for operation in OPERATIONS
            for rule in (named if operation in WEIGHTED else [None])
        ]
        self.sizes = (len(self.alternatives),) * len(EDGES)

    def cell(self, genome: Sequence[int]) -> Cell:
        return Cell(tuple(self.alternatives[k] for k in genome))

    def genome(self, cell: Cell) -> tuple[int, ...]:
        """The inverse of `cell`. Raises UsageError where an edge is none of the alternatives."""
        for choice in cell.choices:
            if choice not in self.alternatives:
                raise UsageError(
                    f'cell "{cell}": {choice.operation}:{choice.rule} is none of the alternatives.'
                )
        return tuple(self.alternatives.index(choice) for choice in cell.choices)
