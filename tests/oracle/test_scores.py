"""Scores of untrained networks against PyTorch, written from the papers on a functional network of the same weights."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import compare
import numpy as np
import pytest
import test_genotype_network as genotype_network
from bionas_cupy.engine.loss import cross_entropy
from bionas_cupy.engine.optim import SGD
from bionas_cupy.engine.random import Key
from bionas_cupy.engine.step import Step
from bionas_cupy.layers.model import Model
from bionas_cupy.layers.nasbench201 import NasBench201Network
from bionas_cupy.layers.norm import Normalise
from bionas_cupy.search.look import Look
from bionas_cupy.search.nasbench201 import CellDecisions, parse_cell
from bionas_cupy.search.scores import SCORES
from bionas_cupy.search.strategies.strategy import random_genome
from compare import RULES
from torch_maps import Conv
from torch_rules import torch
from torch_synapse import Transport
from twin import bind, draw

pytestmark = pytest.mark.oracle
F = torch.nn.functional

SIZE, CHANNELS, CELLS, CLASSES = 16, 8, 2, 5
SPACE = CellDecisions()
TEN = [SPACE.cell(random_genome(SPACE.sizes, Key(2, f"cell{n}"))).plain for n in range(10)]
NO_POOLS = ((2, 0, "sep_conv_3x3"), (2, 1, "dil_conv_3x3"), (3, 0, "sep_conv_3x3"), (3, 2, "skip_connect"))
Tensor = Any


class Torch:
    """The network with the weights of `model`; keeps the input of every rectifier. bare: no norms. by_rules: its
    convolutions send errors by their rules, in the update `update`."""

    def __init__(
        self, model: Model, text: str, bare: bool = False, by_rules: bool = False, update: int = 0
    ) -> None:
        self.synapses = {s.name: s for s in model.synapses} if by_rules else {}
        self.constant: dict[str, tuple[Tensor, Tensor]] | None = None  # statistics that are
        self.update = update
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
        mean, variance = x.mean((0, 2, 3)).detach(), x.var((0, 2, 3), correction=0).detach()
        if self.constant is not None:
            mean, variance = self.constant.setdefault(name, (mean, variance))
        affine = self.w[f"{name}.gamma"][0], self.w[f"{name}.beta"][0]
        return F.batch_norm(x, mean, variance, *affine, training=self.constant is None)

    def conv(self, name: str, x: Tensor, stride: int = 1) -> Tensor:
        W = self.w[f"{name}.W"]
        if name not in self.synapses:
            return F.conv2d(x, W, stride=stride, padding=W.shape[-1] // 2)
        synapse = self.synapses[name]
        twin = Conv(W.shape[1], W.shape[0], W.shape[2], str(synapse.rules[0]), stride=stride)
        assert twin.s == synapse.s
        twin.draw = partial(draw, synapse.states[0].key, self.update, torch.float64)
        return Transport.apply(x, W, twin)

    def half(self, name: str, x: Tensor, stride: int = 1) -> Tensor:
        return self.norm(f"{name}.norm", self.conv(f"{name}.conv", self.relu(x), stride))

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
        x = self.norm("norm", self.conv("stem", x))
        for stage in range(3):
            if stage:
                name = f"reduce{stage}"
                body = self.half(f"{name}.body.half1", self.half(f"{name}.body.half0", x, 2))
                x = self.conv(f"{name}.shortcut.conv", F.avg_pool2d(x, 2)) + body
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


def ntk_constant(net: Torch, x: Tensor, labels: Tensor) -> float:
    """Each image by itself; the statistics are those of all."""
    net.constant = {}
    net(x)
    return ntk(net, x, labels)


def ntk(net: Torch, x: Tensor, labels: Tensor) -> float:
    logits, rows = net(x), []
    for n in range(len(x)):
        found = torch.autograd.grad(logits[n].sum(), net.weights(), retain_graph=True, materialize_grads=True)
        rows.append(torch.cat([g.reshape(-1) for g in found]))
    v = np.linalg.eigvalsh((torch.stack(rows) @ torch.stack(rows).T).numpy())
    return math.log(v[0] / v[-1])


def regions(net: Torch, x: Tensor, labels: Tensor) -> float:
    size = range(0, SIZE, 4)
    net(torch.cat([image[None, :, i : i + 4, j : j + 4] for image in x for i in size for j in size]))
    return float(len({tuple(row) for row in torch.cat(net.codes, 1).int().tolist()}))


def gradient_correlation(net: Torch, x: Tensor, labels: Tensor) -> float:
    logits = net(x.requires_grad_(True))
    J = [torch.autograd.grad(logits[:, k].sum(), x, retain_graph=True)[0].flatten(1) for k in range(CLASSES)]
    x, K = x.detach(), torch.zeros(len(x), len(x))
    for i in range(len(x)):
        for j in range(len(x)):
            mean = sum(float(torch.corrcoef(torch.stack([g[i], g[j]]))[0, 1]) for g in J) / CLASSES
            K[i, j] = mean * math.exp(-float((x[i] - x[j]).square().mean()) / 4)
    return float(torch.linalg.slogdet(K.double())[1])


def synflow(net: Torch, x: Tensor, labels: Tensor) -> float:
    net.bare = True
    with torch.no_grad():
        for w in net.w.values():
            w.abs_()
    out = net(torch.ones_like(x[:1])).sum()
    grads = torch.autograd.grad(out, net.weights(), materialize_grads=True)
    return math.log(
        sum(float((w.detach() * g).abs().sum()) for w, g in zip(net.weights(), grads, strict=True))
    )


ORACLES: dict[str, Callable[[Torch, Tensor, Tensor], float]] = {
    "naswot": naswot, "regions": regions, "synflow": synflow, "snip": snip, "grad_norm": grad_norm, "jacov": jacov,
    "gradient_correlation": gradient_correlation, "ntk": ntk, "ntk_constant": ntk_constant,
}  # fmt: skip


def made(text: str, dtype: Any, rule: str = "bp") -> tuple[Model, Any, Any]:
    cell = parse_cell(text).with_rule(rule)
    network = NasBench201Network(3, (SIZE, SIZE), CLASSES, cell.edges(), channels=CHANNELS, cells=CELLS)
    model = Model(network, Normalise([0.0] * 3, [1.0] * 3), Key(5), dtype)
    generator = np.random.default_rng(3)
    return model, generator.normal(size=(8, 1, 3, SIZE, SIZE)).astype(dtype), np.arange(8) % CLASSES


def scored(name: str, text: str, dtype: Any) -> float:
    model, x, labels = made(text, dtype)
    return SCORES[name](Look(model, x, labels, lambda: made(text, np.float64)[0]))


def test_every_score_has_an_oracle() -> None:
    assert ORACLES.keys() == SCORES.keys() - {"credit"}


@pytest.mark.parametrize("text", TEN)
@pytest.mark.parametrize("name", ORACLES)
def test_scores_on_ten_cells(name: str, text: str) -> None:
    model, x, labels = made(text, np.float64)
    expected = ORACLES[name](Torch(model, text), torch.tensor(x[:, 0]), torch.tensor(labels))
    assert math.isfinite(expected)
    assert scored(name, text, np.float64) == pytest.approx(expected, rel=1e-6)
    if name not in ("ntk", "regions"):
        # ntk: the least eigenvalue is beyond float32 where a cell's gradients are nearly equal; regions: counts signs
        assert scored(name, text, np.float32) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("steps", [0, 3])
@pytest.mark.parametrize("rule", ["bp", "fa", "usf", "brsf"])
def test_credit_before_and_after_learning(rule: str, steps: int) -> None:
    """Three steps by the rule here and there, then the mean cosine with autograd's gradient."""
    text = TEN[0]
    model, x, labels = made(text, np.float64, rule)
    images, classes = torch.tensor(x[:, 0]), torch.tensor(labels)
    net, optimiser = Torch(model, text, by_rules=True), SGD(model.arena.value, 0.9)
    their_own = torch.optim.SGD(net.w.values(), 0.05, 0.9)
    for update in range(steps):
        step = Step(model.key.to("step"), update)
        model.arena.grad.fill(0)
        model.network.backward(cross_entropy(model.network.forward(x, step), labels)[1], step)
        optimiser.step(model.arena.grad, 0.05)
        net.update = update
        their_own.zero_grad()
        F.cross_entropy(net(images), classes).backward()
        their_own.step()
    net.update = steps
    told = gradients(net, images, classes)[:-1]
    net.synapses = {}
    exact = gradients(net, images, classes)[:-1]
    cosines = [
        float(F.cosine_similarity(a.flatten(), b.flatten(), dim=0)) for a, b in zip(told, exact, strict=True)
    ]
    expected = sum(cosines) / len(cosines)
    assert (expected > 1 - 1e-9) == (rule == "bp")
    assert SCORES["credit"](Look(model, x, labels, update=steps)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("rule", RULES)
def test_credit_in_a_darts_network(rule: str) -> None:
    """Stem, preprocessing, reductions and edges by the rule; the read-out left out."""
    case, batch = genotype_network.case(rule, auxiliary=False), compare.images(2, 6, (16, 16), update=2)
    model = case.model(np.float64)
    found = SCORES["credit"](look_at(model, batch))
    exact, told = (case.answer(model, batch._replace(exact=exact)) for exact in (True, False))
    names = [f"grad {s.W.name}#0" for s in model.synapses[:-1]]
    pairs = [(exact[n].ravel(), told[n].ravel()) for n in names if exact[n].any()]
    assert len(pairs) == len(names)
    expected = np.mean([a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in pairs])
    assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", ["ntk", "ntk_constant"])
def test_a_null_direction_of_batch_norm(name: str) -> None:
    """Nodes of the last cell made of norms alone: the sum of the logits over the batch is a constant."""
    cells = dict.fromkeys((False, True), (NO_POOLS, (2, 3)))
    case, batch = genotype_network.case("bp", cells=cells, auxiliary=False), compare.images(3, 6, (16, 16))
    for dtype in (np.float32, np.float64):
        score = SCORES[name](look_at(case.model(dtype), batch))
        assert (score == -np.inf) if name == "ntk" else (-20 < score < 0)


def test_every_rectifier_of_a_darts_network_counts() -> None:
    case, batch = genotype_network.case("fa", auxiliary=False), compare.images(3, 6, (16, 16))
    model, signs = case.model(np.float64), list[Tensor]()
    net = bind(case.twin(), model, torch.float64).train()
    for module in (m for m in net.modules() if isinstance(m, torch.nn.ReLU)):
        module.register_forward_hook(lambda _m, _x, y: signs.append((y > 0).flatten(1).double()))
    net(torch.tensor(model.images(batch.images)[:, 0]))
    kernel = sum(c @ c.T + (1 - c) @ (1 - c).T for c in signs)
    assert SCORES["naswot"](look_at(model, batch)) == pytest.approx(
        float(torch.linalg.slogdet(kernel)[1]), rel=1e-12
    )


def look_at(model: Model, batch: Any) -> Look:
    return Look(model, model.images(batch.images), batch.labels, update=batch.update)
