"""ResNet-20 and DARTS_V2's network by PyTorch."""

from collections.abc import Callable
from typing import Any

from ...layers.skeleton import plan
from ..ours import models
from ..subject import Subject
from .blocks import Chosen, Ways, operation, preprocessing, ways
from .frame import F, Tensor, conv, linear, norm, relu_, torch
from .step import subject
from .weights import Weights


def build(network: str, batch: int, size: int, compiled: bool, **form: Any) -> Subject:
    model = models.darts(**form) if network == "darts" else models.resnet(**form)
    weights = Weights(model)
    forward: Callable[[Tensor], list[Tensor]]
    if network == "darts":
        forward = Darts(weights, form["channels"], form["cells"], ways(compiled))
    else:
        forward = resnet20(weights)
        forward = torch.compile(forward, dynamic=False) if compiled else forward
    return subject(weights, model, models.batch(batch, size), forward)


def resnet20(w: Weights) -> Callable[[Tensor], list[Tensor]]:
    """He's ResNet-20 for CIFAR, shortcuts of option A."""
    names = [f"stage{stage}_block{i}.body" for stage in range(3) for i in range(3)]
    blocks = [[(w.pair(f"{name}.conv{k}"), w.affine(f"{name}.norm{k}")) for k in (0, 1)] for name in names]
    stem, first, pair, bias = w.pair("stem"), w.affine("norm"), w.pair("classifier"), w.bias("classifier")

    def forward(x: Tensor) -> list[Tensor]:
        x = relu_(norm(conv(x, stem), first))
        for (conv0, norm0), (conv1, norm1) in blocks:
            wider = conv0[0].shape[0] - x.shape[1]
            stride = 2 if wider else 1
            y = norm(conv(relu_(norm(conv(x, conv0, stride), norm0)), conv1), norm1)
            shortcut = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, wider)) if wider else x
            x = relu_(y + shortcut)
        return [linear(x.mean((2, 3)), pair, bias)]

    return forward


class Darts:
    """The chosen network with its auxiliary head: net(images) gives the logits of both."""

    def __init__(self, weights: Weights, channels: int, cells: int, by: Ways) -> None:
        self.weights, self.by, self.auxiliary_at = weights, by, 2 * cells // 3
        self.cells = [
            Cell(weights, f"cell{i}", p.reduction)
            for i, p in enumerate(plan(cells, channels, {False: 4, True: 4}))
        ]

    def __call__(self, x: Tensor) -> list[Tensor]:
        w = self.weights
        older = last = norm(conv(x, w.pair("stem.conv")), w.affine("stem.norm"))
        heads = []
        for i, cell in enumerate(self.cells):
            older, last = last, cell(older, last, self.by)
            if i == self.auxiliary_at:
                heads.append(self.auxiliary(last))
        return [linear(last.mean((2, 3)), w.pair("classifier"), w.bias("classifier")), *heads]

    def auxiliary(self, x: Tensor) -> Tensor:
        w, x = self.weights, F.avg_pool2d(F.relu(x), 5, 3)
        for i in (0, 1):
            x = conv(x, w.pair(f"auxiliary.conv{i}"), padding=0)
            x = relu_(norm(x, w.affine(f"auxiliary.norm{i}")))
        return linear(x.flatten(1), w.pair("auxiliary.classifier"), w.bias("auxiliary.classifier"))


class Cell:
    """cell(older, last, by): the concatenation of its nodes, each the sum of two chosen operations."""

    def __init__(self, weights: Weights, path: str, reduction: bool) -> None:
        self.inputs = [preprocessing(weights, f"{path}.preprocess{i}") for i in (0, 1)]
        self.edges: list[tuple[int, Chosen | None]] = []
        for e, (source, name) in enumerate(models.DARTS_V2[reduction]):
            stride = 2 if reduction and source < 2 else 1
            self.edges.append((source, operation(weights, f"{path}.edge{e}", name, stride, 0, True)))

    def __call__(self, older: Tensor, last: Tensor, by: Ways) -> Tensor:
        states = [
            by.block(c.body, F.relu(x), *c.arguments) for c, x in zip(self.inputs, (older, last), strict=True)
        ]
        rectified: dict[int, Tensor] = {}
        for first, second in zip(self.edges[::2], self.edges[1::2], strict=True):
            states.append(sum(self.operate(edge, states, rectified, by) for edge in (first, second)))
        return torch.cat(states[2:], 1)

    def operate(
        self, edge: tuple[int, Chosen | None], states: list[Tensor], rectified: dict[int, Tensor], by: Ways
    ) -> Tensor:
        source, chosen = edge
        if chosen is None:
            return states[source]
        if not chosen.rectified:
            return by.block(chosen.body, states[source], *chosen.arguments)
        if source not in rectified:
            rectified[source] = F.relu(states[source])
        return by.block(chosen.body, rectified[source], *chosen.arguments)
