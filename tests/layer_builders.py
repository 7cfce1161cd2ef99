"""Layers of every kind, made ready to be tried: those of several inputs as functions of arrays alone."""

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from bionas_cupy.engine.registry import make_rule
from bionas_cupy.engine.rule import Rule
from bionas_cupy.engine.step import Step
from bionas_cupy.layers import nasbench201
from bionas_cupy.layers.candidates import OPERATIONS
from bionas_cupy.layers.cell import SearchCell
from bionas_cupy.layers.chosen import Edge
from bionas_cupy.layers.contest import Contest
from bionas_cupy.layers.conv import Conv
from bionas_cupy.layers.layer import Layer, Sequential
from bionas_cupy.layers.linear import Linear
from bionas_cupy.layers.mixed import MixedEdge, OperationLanes
from bionas_cupy.layers.network import CellGenotype, FixedCell, GenotypeNetwork
from bionas_cupy.layers.norm import BatchNorm
from bionas_cupy.layers.partial import PartialCell
from bionas_cupy.layers.pointwise import Flatten, ReLU
from bionas_cupy.layers.roles import ROLES, Roles
from bionas_cupy.layers.source import Source
from bionas_cupy.layers.supernet import Supernet

Array = np.ndarray[Any, Any]
NextRule = Callable[[], Rule]
CONVOLUTIONS = ("sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5")
BEYOND_DARTS = ("conv_3x3", "pc_conv_3x3", "gated_pc_conv_3x3")
TRANSPORTING = ("fa", "usf", "brsf", "frsf", "qsf2", "power", "bp")


def always_bp() -> Rule:
    return make_rule("bp")


def every_rule() -> NextRule:
    specs = itertools.cycle(TRANSPORTING)
    return lambda: make_rule(next(specs))


# Layers that take more than x: as one input each, so that the same checks serve them


class WholeEdge(Layer):
    """A mixed edge with what reads its state: (x, q) to the node."""

    def __init__(self, edge: MixedEdge, channels: int) -> None:
        self.edge, self.source = edge, Source(edge.operations, channels, edge.stride)

    def forward(self, x: Array, q: Array, step: Step) -> Array:  # type: ignore[override]
        node = self._node(x)
        self.edge.add_to(node, self.source.read(x, step), q, step)
        step.keep(self, x.shape)
        return node

    def backward(self, delta: Array, step: Step) -> tuple[Array, Array]:  # type: ignore[override]
        errors = self.source.no_errors(np.zeros(*step.take(self)))
        dq = self.edge.backward_to(delta, errors, step)
        return self.source.collect(errors, step), dq

    def tangent(self, t: Array, _: Array, step: Step) -> Array:  # type: ignore[override]
        node = self._node(t)
        self.edge.tangent_to(node, self.source.read_tangent(t, step), step)
        return node

    def _node(self, x: Array) -> Array:
        return np.zeros((*x.shape[:3], *(-(-n // self.edge.stride) for n in x.shape[3:])))


class Pair(Layer):
    """A cell: (before, last), and q for a cell of the search."""

    def __init__(self, cell: SearchCell | FixedCell) -> None:
        self.cell = cell

    def forward(self, *inputs: Any) -> Array:
        return self.cell.forward_pair(*inputs)

    def backward(self, delta: Array, step: Step) -> Any:
        return self.cell.backward_pair(delta, step)

    def tangent(self, before: Array, last: Array, _: Array, step: Step) -> Array:  # type: ignore[override]
        assert isinstance(self.cell, SearchCell)
        return self.cell.tangent_pair(before, last, step)


class Whole(Layer):
    """A supernet, or a contest of cells: (images, q of normal cells, q of reduction cells)."""

    def __init__(self, supernet: Supernet) -> None:
        self.supernet = supernet

    def forward(self, images: Array, normal: Array, reduce: Array, step: Step) -> Array:  # type: ignore[override]
        return self.supernet.forward_mixed(images, (normal, reduce), step)

    def backward(self, delta: Array, step: Step) -> Any:
        return None, *self.supernet.backward_mixed(delta, step)

    def tangent(self, *inputs: Any) -> Array:
        return self.supernet.tangent_mixed(inputs[-1])


def lanes(rule: NextRule, names: Sequence[str] = tuple(OPERATIONS), count: int = 2) -> list[OperationLanes]:
    """`count` lanes for a convolution and one for the others; a skip has the paper's three."""
    wide = {name: count for name in names if OPERATIONS[name].weighted} | {"skip_connect": 3}
    return [OperationLanes(name, [rule() for _ in range(wide.get(name, 1))]) for name in names]


def edge(rule: NextRule, names: Sequence[str], stride: int, channels: int = 4) -> Layer:
    return WholeEdge(MixedEdge(channels, stride, lanes(rule, names)), channels)


def search_cell(rule: NextRule, reduction: bool, halve: bool, partial: int = 1) -> Layer:
    few = lanes(rule, ["sep_conv_3x3", "skip_connect", "max_pool_3x3", "none", "dil_conv_3x3"])
    kind = SearchCell if partial == 1 else functools.partial(PartialCell, partial=partial)
    cell = kind(
        (3, 5),
        4 * partial,
        lambda _: few,
        reduction=reduction,
        halve=halve,
        preprocess_rule=rule(),
        reduce_rule=rule(),
        nodes=2,
    )
    return Pair(cell)


NORMAL = [(2, 0, "sep_conv_3x3"), (2, 1, "skip_connect"), (3, 2, "dil_conv_5x5"), (3, 0, "avg_pool_3x3")]
REDUCE = [(2, 0, "max_pool_3x3"), (2, 1, "skip_connect"), (3, 2, "skip_connect"), (3, 1, "sep_conv_5x5")]
ONE_INPUT = [(2, 1, "sep_conv_3x3"), (2, 1, "skip_connect"), (3, 2, "dil_conv_3x3")]


def genotype(rule: NextRule, edges: Sequence[tuple[int, int, str]]) -> CellGenotype:
    chosen = [Edge(n, s, o, rule() if OPERATIONS[o].weighted else None) for n, s, o in edges]
    return CellGenotype(chosen, (2, 3))


def roles(rule: NextRule) -> Roles:
    return Roles(*(rule() for _ in ROLES))


def fixed_cell(rule: NextRule, edges: Sequence[tuple[int, int, str]], reduction: bool, halve: bool) -> Layer:
    given = genotype(rule, edges)
    return Pair(FixedCell((3, 5), 4, given, reduction=reduction, halve=halve, roles=roles(rule)))


SOME = ["none", "max_pool_3x3", "avg_pool_3x3", "skip_connect", "sep_conv_3x3", "dil_conv_5x5"]


def supernet(rule: NextRule) -> Layer:
    net = Supernet(2, 3, lambda *_: lanes(rule, SOME), channels=2, cells=3, nodes=1, roles=roles(rule))
    return Whole(net)


def contest(rule: NextRule) -> Layer:
    cells = [
        (genotype(rule, one), genotype(rule, other)) for one, other in ((NORMAL, REDUCE), (REDUCE, NORMAL))
    ]
    return Whole(Contest(2, 3, cells, channels=2, cells=3, roles=roles(rule)))


def genotype_network(rule: NextRule) -> Layer:
    kinds = genotype(rule, NORMAL), genotype(rule, REDUCE)
    return GenotypeNetwork(2, 3, *kinds, channels=2, cells=3, auxiliary=True, roles=roles(rule))


def nasbench201_network(rule: NextRule) -> Layer:
    names = "nor_conv_3x3", "none", "nor_conv_1x1", "skip_connect", "avg_pool_3x3", "nor_conv_3x3"
    edges = [
        Edge(*ends, name, rule() if name in nasbench201.WEIGHTED else None)
        for ends, name in zip(nasbench201.EDGES, names, strict=True)
    ]
    return nasbench201.NasBench201Network(2, (8, 8), 3, edges, channels=2, cells=1, roles=roles(rule))


def sequence(rule: NextRule) -> Layer:
    return Sequential(
        conv=Conv(2, 3, 3, [rule()], stride=2),
        norm=BatchNorm(3, relu=True),
        flatten=Flatten(),
        hidden=Linear(27, 6, [rule()]),
        relu=ReLU(),
        out=Linear(6, 2, [rule()], bias=False),
    )
