"""Candidates of NAS-Bench-201's space looked up in a table: an evaluation takes microseconds."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache

from ..data.table import Column
from ..engine.errors import DataError
from ..engine.rules.backprop import BackPropagation
from ..layers.chosen import Edge
from ..layers.nasbench201 import EDGES, WEIGHTED, NasBench201Network
from .nasbench201 import CellDecisions
from .strategies.strategy import Score, Spec


class TableEvaluator:
    """columns: validation accuracy (%) by the epochs that it took, ascending. A specification without a budget is
    looked up in the first one. An evaluation costs its epochs over those of the first column."""

    def __init__(self, columns: Mapping[int, Column], decisions: CellDecisions) -> None:
        self.columns, self.decisions = dict(columns), decisions
        self.first = min(self.columns)

    def evaluate(self, specs: Sequence[Spec]) -> Iterator[Score]:
        """{"objective": error in %, "validation_accuracy": %, "parameters": weights of the network}."""
        for spec in specs:
            cell = self.decisions.cell(spec["genome"])
            accuracy = percent(self.columns[spec.get("budget", self.first)], cell.plain)
            operations = tuple(sorted(choice.operation for choice in cell.choices))
            yield {
                "objective": 100 - accuracy,
                "validation_accuracy": accuracy,
                "parameters": parameters(operations),
            }

    def cost(self, spec: Spec) -> float:
        return float(spec.get("budget", self.first)) / self.first


def percent(column: Column, cell: str) -> float:
    """The accuracy of a cell. Raises DataError where it is not within 0 and 100."""
    accuracy = column[cell]
    if not 0 <= accuracy <= 100:
        raise DataError(
            f"{accuracy:g} stands under {column.name} of {cell}, no percentage.", "Choose another column."
        )
    return accuracy


@cache
def parameters(operations: tuple[str, ...]) -> int:
    """Weights of the published network on CIFAR-10 with these six operations, in any order."""
    bp = BackPropagation()
    edges = [Edge(*edge, o, bp if o in WEIGHTED else None) for edge, o in zip(EDGES, operations, strict=True)]
    network = NasBench201Network(3, (32, 32), 10, edges)
    return sum(p.size for _, layer in network.walk() for _, p in layer.parameters())
