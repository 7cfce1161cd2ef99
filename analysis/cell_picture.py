"""The picture of a cell: edges coloured by rule, as thick as their weight."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..layers.nasbench201 import EDGES
from ..search.genotype import AnyGenotype, Genotype
from ..search.parse import parse
from ..search.supernet_search import SupernetSearch
from .style import colour_of, drawing, figure, save

NO_RULE = "no weights"
DARTS_INPUTS = {0: "k − 2", 1: "k − 1"}


class CellEdge(NamedTuple):
    """weight: the softmax share of its candidate, or None where a genotype names no weights."""

    node: int
    source: int
    op: str
    rule: str
    weight: float | None


def cells_of_search(job: SupernetSearch) -> dict[str, list[CellEdge]]:
    """The edges that the present α choose, by kind of cell."""
    return {
        kind: [
            CellEdge(c.edge.node, c.edge.source, c.edge.op, c.edge.rule or NO_RULE, c.weight)
            for c in parse(job.architecture, kind == "reduce", job.config.collapse.max_skips)
        ]
        for kind in ("normal", "reduce")
    }


def cells_of_genotype(genotype: AnyGenotype) -> dict[str, list[CellEdge]]:
    if not isinstance(genotype, Genotype):
        edges = zip(EDGES, genotype.chosen().choices, strict=True)
        drawn = [
            CellEdge(*edge, c.operation, c.rule or NO_RULE, None)
            for edge, c in edges
            if c.operation != "none"
        ]
        return {"only": drawn}
    return {
        kind: [CellEdge(e.node, e.source, e.op, e.rule or NO_RULE, None) for e in getattr(genotype, kind)]
        for kind in ("normal", "reduce")
    }


def draw_cells(cells: dict[str, list[CellEdge]], title: str, folder: Path) -> list[Path]:
    """A picture of each kind of cell, as SVG and PNG; the paths."""
    paths: list[Path] = []
    with drawing():
        for kind, edges in cells.items():
            inputs = {0: "input"} if kind == "only" else DARTS_INPUTS
            paths += save(cell_picture(edges, f"{title}: {kind} cell", inputs), folder / f"cell_{kind}")
    return paths


def cell_picture(edges: Sequence[CellEdge], title: str, inputs: dict[int, str] = DARTS_INPUTS) -> Any:
    """Inputs at the left, nodes in their order, each edge with its operation."""
    from matplotlib.lines import Line2D  # type: ignore[import-not-found, unused-ignore]  # an extra

    made, axes = figure(9.5, 5.0)
    nodes = sorted(inputs.keys() | {e.node for e in edges} | {e.source for e in edges})
    place = _places(nodes, len(inputs))
    colours = colour_of([e.rule for e in edges if e.rule != NO_RULE]) | {NO_RULE: "0.6"}
    weights = [e.weight for e in edges if e.weight is not None]
    span = (min(weights), max(weights)) if weights else (0.0, 0.0)
    for edge in edges:
        _draw_edge(axes, edge, place, colours[edge.rule], _width(edge.weight, span))
    for node, (x, y) in place.items():
        name = inputs.get(node, str(node))
        circle = {"boxstyle": "round,pad=0.45", "fc": "0.93" if node in inputs else "white", "ec": "0.3"}
        axes.text(x, y, name, ha="center", va="center", bbox=circle, zorder=5)
    rules = list(dict.fromkeys(e.rule for e in edges))
    axes.legend(
        handles=[Line2D([], [], color=colours[rule], lw=3, label=rule) for rule in rules],
        loc="upper left",
        ncols=len(rules),
        bbox_to_anchor=(0, 0.0),
    )
    told = f"; thickness: weight, {span[0]:.3f} to {span[1]:.3f}" if weights else ""
    axes.set_title(title + told)
    axes.set_aspect("equal")  # the middle of an arc is where its label is put
    axes.set_axis_off()
    axes.margins(0.06)
    return made


def _places(nodes: Sequence[int], inputs: int) -> dict[int, tuple[float, float]]:
    """One input, or two one above the other; the nodes on a shallow zigzag to the right."""
    inner = [node for node in nodes if node >= inputs]
    place = {0: (0.0, 1.0), 1: (0.0, -1.0)} if inputs == 2 else {0: (0.0, 0.0)}
    return place | {node: (1.7 * (i + 1), 0.75 * (-1) ** i) for i, node in enumerate(inner)}


def _width(weight: float | None, span: tuple[float, float]) -> float:
    if weight is None or span[0] == span[1]:
        return 2.5
    return 1.0 + 5.0 * (weight - span[0]) / (span[1] - span[0])


def _draw_edge(axes: Any, edge: CellEdge, place: dict[int, Any], colour: str, width: float) -> None:
    from matplotlib.patches import FancyArrowPatch  # type: ignore[import-not-found, unused-ignore]  # an extra

    start, end = np.array(place[edge.source]), np.array(place[edge.node])
    bend = 0.12 * (1 if edge.source % 2 else -1) * max(1.0, (end[0] - start[0]) / 2)
    style = "-|>,head_length=6,head_width=3"
    axes.add_patch(
        FancyArrowPatch(
            place[edge.source],
            place[edge.node],
            connectionstyle=f"arc3,rad={bend}",
            arrowstyle=style,
            shrinkA=17,
            shrinkB=15,
            color=colour,
            lw=width,
            zorder=2,
        )
    )
    along = end - start
    middle = (start + end) / 2 + bend / 2 * np.array([along[1], -along[0]])
    label = {"fc": "white", "ec": "none", "pad": 0.8, "alpha": 0.85}
    axes.text(*middle, edge.op.replace("_", " "), fontsize=7, ha="center", va="center", bbox=label, zorder=4)
