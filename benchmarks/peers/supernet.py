"""The supernet by PyTorch: every candidate a chain of its own, their weighted sum a node."""

from typing import Any

from ...layers.skeleton import plan
from ..ours import models
from ..subject import Subject
from .blocks import Body, Chosen, Ways, operation, preprocessing, ways
from .frame import F, Tensor, conv, linear, norm, torch
from .step import subject
from .weights import Weights

NODES = 4


def build(batch: int, size: int, compiled: bool, **network: Any) -> Subject:
    searched = models.supernet(**network)
    q = [torch.tensor(x).float() for x in searched.architecture.lane_weights()]
    lanes = [(o, r) for o in searched.architecture.operations for r in range(rules_of(o, network["rules"]))]
    weights, form = Weights(searched.model), (network["channels"], network["cells"])
    net = Supernet(weights, *form, lanes, q, ways(compiled))
    return subject(weights, searched.model, models.batch(batch, size), net)


def rules_of(operation: str, rules: list[str]) -> int:
    return len(rules) if "conv" in operation else 1


class Supernet:
    """net(images): [logits]. lanes: of an edge, each operation with its lane; q: of both kinds of cell."""

    def __init__(
        self,
        weights: Weights,
        channels: int,
        cells: int,
        lanes: list[tuple[str, int]],
        q: list[Tensor],
        by: Ways,
    ) -> None:
        self.weights, self.q, self.by = weights, q, by
        self.cells = [
            Cell(weights, f"cell{i}", p.reduction, lanes)
            for i, p in enumerate(plan(cells, channels, {False: NODES, True: NODES}))
        ]

    def __call__(self, x: Tensor) -> list[Tensor]:
        older = last = norm(conv(x, self.weights.pair("stem.conv")), self.weights.affine("stem.norm"))
        for cell in self.cells:
            older, last = last, cell(older, last, self.q[cell.reduction], self.by)
        pair, bias = self.weights.pair("classifier"), self.weights.bias("classifier")
        return [linear(last.mean((2, 3)), pair, bias)]


class Cell:
    """cell(older, last, q, by): the concatenation of its nodes."""

    def __init__(self, weights: Weights, path: str, reduction: bool, lanes: list[tuple[str, int]]) -> None:
        self.reduction = reduction
        self.inputs = [preprocessing(weights, f"{path}.preprocess{i}") for i in (0, 1)]
        self.edges: list[list[tuple[int, Chosen | None]]] = []  # of each edge: (lane's place in q, candidate)
        for e, source in enumerate(j for i in range(NODES) for j in range(i + 2)):
            stride = 2 if reduction and source < 2 else 1
            self.edges.append(
                [
                    (k, operation(weights, f"{path}.edge{e}", name, stride, lane, False))
                    for k, (name, lane) in enumerate(lanes)
                    if name != "none"
                ]
            )

    def __call__(self, older: Tensor, last: Tensor, q: Tensor, by: Ways) -> Tensor:
        states = [
            by.block(c.body, F.relu(x), *c.arguments) for c, x in zip(self.inputs, (older, last), strict=True)
        ]
        rectified = [F.relu(x) for x in states]
        pooled: dict[tuple[int, Body], Tensor] = {}  # without weights: one for all edges out of a state
        edges = iter(zip(self.edges, q, strict=True))
        stride = 2 if self.reduction else 1
        for i in range(NODES):
            node = torch.zeros_like(states[0][:, :, ::stride, ::stride])
            for j in range(i + 2):
                candidates, weights = next(edges)
                for k, chosen in candidates:
                    if chosen is None or chosen.rectified:
                        node = added(node, weights[k], chosen, states[j], rectified[j], by)
                        continue
                    if (j, chosen.body) not in pooled:
                        pooled[j, chosen.body] = by.block(chosen.body, states[j], *chosen.arguments)
                    node = node.add(pooled[j, chosen.body], alpha=float(weights[k]))
            states.append(node)
            rectified.append(F.relu(node))
        return torch.cat(states[2:], 1)


def added(node: Tensor, q: Tensor, chosen: Chosen | None, x: Tensor, r: Tensor, by: Ways) -> Tensor:
    """node + q·o(x); every candidate of an edge may change the node in place."""
    if chosen is None:
        return node.add(x, alpha=float(q))
    return by.mixed(node, q, chosen.body, r if chosen.rectified else x, *chosen.arguments)
