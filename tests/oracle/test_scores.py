"""Scores of untrained networks against PyTorch, written from the papers on a functional network of the same weights."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from bionas_cupy.engine.random import Key
from bionas_cupy.layers.model import Model
from bionas_cupy.layers.nasbench201 import NasBench201Network
from bionas_cupy.layers.norm import Normalise
from bionas_cupy.search.nasbench201 import CellDecisions
from bionas_cupy.search.scores import SCORES, Look, synflow
from bionas_cupy.search.strategies.strategy import random_genome
from torch_rules import torch

pytestmark = pytest.mark.oracle
F = torch.nn.functional

SIZE, CHANNELS, CELLS, CLASSES = 16, 8, 2, 5
SPACE = CellDecisions()
TEN = [SPACE.cell(random_genome(SPACE.sizes, Key(2, f"cell{n}"))).plain for n in range(10)]
Tensor = Any


class Torch:
    """The network with the weights of `model`; keeps the input of every rectifier. bare: no norms."""

    def __init__(self, model: Model, text: str, bare: bool = False) -> None:
        self.w = {
            p.name: torch.tensor(p.value.astype(np.float64), requires_grad=True)
            for p in model.arena.parameters
        }
        self.text, self.bare, self.codes = text, bare, list[Tensor]()
        self.sizes = [n for n in self.w if n.endswith(".W")]

    def relu(self, x: Tensor) -> Tensor:
        self.codes.append((x > 0).reshape(len(x), -1).double())
        return F.relu(x)

    def norm(self, name: str, x: Tensor) -> Tensor:
        if self.bare:
            return x
        return F.batch_norm(
            x, None, None, self.w[f"{name}.gamma"][0], self.w[f"{name}.beta"][0], training=True
        )

    def half(self, name: str, x: Tensor, stride: int = 1) -> Tensor:
        W = self.w[f"{name}.conv.W"]
        return self.norm(f"{name}.norm", F.conv2d(self.relu(x), W, stride=stride, padding=W.shape[-1] // 2))

    def cell(self, name: str, x: Tensor) -> Tensor:
        nodes, e = [x], 0
        for node in self.text.split("+"):
            total = torch.zeros_like(x)
            for edge in node.strip("|").split("|"):
                operation, source = edge.split("~")
                y = nodes[int(source)]
                if operation.startswith("nor"):
                    total = total + self.half(f"{name}.edge{e}", y)
                elif operation == "avg_pool_3x3":
                    total = total + F.avg_pool2d(y, 3, 1, 1, count_include_pad=False)
                elif operation == "skip_connect":
                    total = total + y
                e += 1
            nodes.append(total)
        return nodes[3]

    def __call__(self, x: Tensor) -> Tensor:
        x = self.norm("norm", F.conv2d(x, self.w["stem.W"], padding=1))
        for stage in range(3):
            if stage:
                name = f"reduce{stage}"
                body = self.half(f"{name}.body.half1", self.half(f"{name}.body.half0", x, 2))
                x = F.conv2d(F.avg_pool2d(x, 2), self.w[f"{name}.shortcut.conv.W"]) + body
            for i in range(CELLS):
                x = self.cell(f"stage{stage}_cell{i}", x)
        x = self.relu(self.norm("last", x)).mean(dim=(2, 3))
        return F.linear(x, self.w["classifier.W"], self.w["classifier.b"])

    def weights(self) -> list[Tensor]:
        return [self.w[name] for name in self.sizes]


def naswot(net: Torch, x: Tensor, labels: Tensor) -> float:
    net(x)
    K = sum(c @ c.T + (1 - c) @ (1 - c).T for c in net.codes)
    return float(torch.linalg.slogdet(K)[1])


def gradients(net: Torch, x: Tensor, labels: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad(F.cross_entropy(net(x), labels), net.weights(), materialize_grads=True))


def snip(net: Torch, x: Tensor, labels: Tensor) -> float:
    return sum(
        float((w.detach() * g).abs().sum())
        for w, g in zip(net.weights(), gradients(net, x, labels), strict=True)
    )


def grad_norm(net: Torch, x: Tensor, labels: Tensor) -> float:
    return sum(float(g.norm()) for g in gradients(net, x, labels))


def jacov(net: Torch, x: Tensor, labels: Tensor) -> float:
    x = x.requires_grad_(True)
    (J,) = torch.autograd.grad(net(x).sum(), x)
    v = np.linalg.eigvalsh(np.corrcoef(J.reshape(len(x), -1).numpy()))
    return -float(np.sum(np.log(v + 1e-5) + 1 / (v + 1e-5)))


def ntk(net: Torch, x: Tensor, labels: Tensor) -> float:
    logits, rows = net(x), []
    for n in range(len(x)):
        found = torch.autograd.grad(logits[n].sum(), net.weights(), retain_graph=True, materialize_grads=True)
        rows.append(torch.cat([g.reshape(-1) for g in found]))
    v = np.linalg.eigvalsh((torch.stack(rows) @ torch.stack(rows).T).numpy())
    return math.log(v[0] / v[-1])


ORACLES: dict[str, Callable[[Torch, Tensor, Tensor], float]] = {
    "naswot": naswot, "snip": snip, "grad_norm": grad_norm, "jacov": jacov, "ntk": ntk,
}  # fmt: skip


def made(text: str, dtype: Any) -> tuple[Model, Any, Any]:
    from bionas_cupy.search.nasbench201 import parse_cell

    network = NasBench201Network(
        3, (SIZE, SIZE), CLASSES, parse_cell(text).edges(), channels=CHANNELS, cells=CELLS
    )
    model = Model(network, Normalise([0.0] * 3, [1.0] * 3), Key(5), dtype)
    generator = np.random.default_rng(3)
    return model, generator.normal(size=(8, 1, 3, SIZE, SIZE)).astype(dtype), np.arange(8) % CLASSES


@pytest.mark.parametrize("text", TEN)
@pytest.mark.parametrize("name", ORACLES)
def test_scores_on_ten_cells(name: str, text: str) -> None:
    model, x, labels = made(text, np.float64)
    expected = ORACLES[name](Torch(model, text), torch.tensor(x[:, 0]), torch.tensor(labels))
    assert math.isfinite(expected)
    assert SCORES[name](Look(model, x, labels)) == pytest.approx(expected, rel=1e-6)
    if name != "ntk":  # the least eigenvalue is beyond float32 where a cell's gradients are nearly equal
        single, x, labels = made(text, np.float32)
        assert SCORES[name](Look(single, x, labels)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("text", TEN)
def test_synflow_on_ten_cells(text: str) -> None:
    model, _, _ = made(text, np.float64)
    net = Torch(model, text, bare=True)
    with torch.no_grad():
        for w in net.w.values():
            w.abs_()
    out = net(torch.ones(1, 3, SIZE, SIZE, dtype=torch.float64)).sum()
    grads = torch.autograd.grad(out, net.weights(), materialize_grads=True)
    total = sum(float((w.detach() * g).abs().sum()) for w, g in zip(net.weights(), grads, strict=True))
    assert synflow(model, (3, SIZE, SIZE)) == pytest.approx(math.log(total), rel=1e-9)
