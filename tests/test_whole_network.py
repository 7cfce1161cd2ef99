"""Procedures that run a whole network: each against a loop over samples written from its paper, and its limits."""

from typing import Any

import numpy as np
import pytest
from bionas_cupy.engine.backend import cpu
from bionas_cupy.engine.errors import UsageError
from bionas_cupy.engine.loss import cross_entropy
from bionas_cupy.engine.procedures.two_pass import ForwardForwardPasses
from bionas_cupy.engine.random import Key, normal
from bionas_cupy.engine.registry import make_rule, registered
from bionas_cupy.engine.rule import State
from bionas_cupy.engine.rules.two_pass import ForwardForward
from bionas_cupy.engine.step import Step
from bionas_cupy.layers.conv import Conv
from bionas_cupy.layers.layer import Layer, Sequential
from bionas_cupy.layers.linear import Linear
from bionas_cupy.layers.mlp import MLP
from bionas_cupy.layers.model import Model
from bionas_cupy.layers.norm import BatchNorm, Normalise
from bionas_cupy.layers.pointwise import Flatten, MaxPool, ReLU
from bionas_cupy.search.compatible import check_compatible
from bionas_cupy.search.config import SearchConfig, TrainConfig, build
from bionas_cupy.search.networks import ImageShape, build_network
from bionas_cupy.search.tree import settings
from synapse_cases import Array, close

SIZES = [6, 7, 5, 3]


class Net:
    """An mlp with random weights and biases, and a batch."""

    def __init__(self, spec: str, samples: int = 4) -> None:
        rng = np.random.default_rng(3)
        self.x, self.labels = rng.normal(size=(samples, 1, 1, 2, 3)), rng.integers(0, 3, samples)
        network = MLP(6, 3, lambda _: make_rule(spec), SIZES[1:-1])
        self.model = Model(network, Normalise([0.0], [1.0]), Key(1), np.float64)
        self.layers = [s for s in self.model.synapses if isinstance(s, Linear)]
        for layer in self.layers:
            assert layer.b is not None
            layer.b.value[...] = 0.2 * rng.normal(size=layer.b.shape)
        self.W = [layer.W.value for layer in self.layers]
        self.b = [layer.b.value for layer in self.layers if layer.b is not None]

    def learn(self, update: int = 0) -> list[tuple[Array, Array]]:
        """(∂W, ∂b) that the optimiser is given, layer by layer."""
        self.model.arena.grad.fill(0)
        step = Step(Key(1, "step"), update)
        if self.model.procedure is None:
            _, error = cross_entropy(self.model.network.forward(self.x, step), self.labels)
            self.model.network.backward(error, step)
        else:
            self.model.procedure.learn(self.x, self.labels, step, 0.0)
        return [
            (np.array(layer.W.grad), np.array(layer.b.grad)) for layer in self.layers if layer.b is not None
        ]

    def samples(self) -> list[tuple[Array, int]]:
        return [(x.ravel(), int(label)) for x, label in zip(self.x, self.labels, strict=True)]

    def f(self, i: int, x: Array) -> Array:
        y = self.W[i] @ x + self.b[i]
        return y if i == len(self.W) - 1 else np.maximum(y, 0)


def output_error(logits: Array, label: int) -> Array:
    p = np.exp(logits) / np.exp(logits).sum()
    return p - np.eye(len(p))[label]


def assert_learned(found: list[tuple[Array, Array]], expected: list[tuple[Array, Array]]) -> None:
    for (W, b), (W_naive, b_naive) in zip(found, expected, strict=True):
        assert close(W, W_naive)
        assert close(b, b_naive)


def test_predictive_coding_sample_by_sample() -> None:
    net = Net("pc(steps=5;step=0.3;beta=0.7)")
    L, total = len(net.W), [(0 * W, 0 * b) for W, b in zip(net.W, net.b, strict=True)]
    for image, label in net.samples():
        x = [image]
        for i in range(L - 1):
            x.append(net.f(i, x[i]))

        def slopes_at_outputs(x: list[Array], label: int = label) -> list[Array]:
            """∂F/∂y_l of every layer, y_l before the rectifier."""
            found = [-(x[i + 1] - net.f(i, x[i])) * (net.f(i, x[i]) > 0) for i in range(L - 1)]
            return [*found, 0.7 * output_error(net.f(L - 1, x[L - 1]), label)]

        for _ in range(5):
            at = slopes_at_outputs(x)
            moved = [x[0]]
            for i in range(1, L):
                own = x[i] - net.f(i - 1, x[i - 1])
                moved.append(x[i] - 0.3 * (own + net.W[i].T @ at[i]))
            x = moved
        at = slopes_at_outputs(x)
        for i in range(L):
            total[i][0][...] += np.outer(at[i], x[i]) / 0.7 / len(net.x)
            total[i][1][...] += at[i] / 0.7 / len(net.x)
    assert_learned(net.learn(), total)


def test_settled_predictive_coding_is_bp_as_the_loss_weighs_little() -> None:
    """The difference falls in proportion to beta."""
    exact = np.concatenate([g.ravel() for pair in Net("bp").learn() for g in pair])
    apart = []
    for beta in (1e-2, 1e-3, 1e-4):
        settled = Net(f"pc(steps=300;step=0.3;beta={beta})").learn()
        found = np.concatenate([g.ravel() for pair in settled for g in pair])
        apart.append(np.linalg.norm(found - exact) / np.linalg.norm(exact))
    assert apart[2] < 1e-3
    assert apart[0] / apart[1] == pytest.approx(10, rel=0.2)
    assert apart[1] / apart[2] == pytest.approx(10, rel=0.2)
    unsettled = Net("pc(steps=1;step=0.3;beta=0.0001)").learn()
    assert not close(unsettled[0][0], Net("bp").learn()[0][0], 0.1)


def convolutional(spec: str) -> Model:
    def rule(_: str = "") -> list[Any]:
        return [make_rule(spec)]

    first = Conv(1, 3, 3, rule())
    first.sends_error = False
    layers: dict[str, Layer] = {"conv0": first, "norm0": BatchNorm(3, relu=True), "pool0": MaxPool(2, 2)}
    layers |= {"conv1": Conv(3, 4, 3, rule()), "norm1": BatchNorm(4, relu=True), "flatten": Flatten()}
    layers |= {"linear": Linear(16, 5, rule()), "relu": ReLU(), "classifier": Linear(5, 3, rule())}
    return Model(Sequential(**layers), Normalise([0.0], [1.0]), Key(1), np.float64)


def test_predictive_coding_through_convolutions_norms_and_pools() -> None:
    rng = np.random.default_rng(0)
    x, labels, found = rng.normal(size=(6, 1, 1, 4, 4)), rng.integers(0, 3, 6), []
    for spec in ("bp", "pc(steps=400;step=0.2;beta=0.0001)"):
        model, step = convolutional(spec), Step(Key(0))
        if model.procedure is None:
            _, error = cross_entropy(model.network.forward(x, step), labels)
            model.network.backward(error, step)
        else:
            model.procedure.learn(x, labels, step, 0.0)
        found.append(model.arena.grad.copy())
    assert close(found[1], found[0], 2e-3)
    tracked = [layer.buffers["mean"] for _, layer in model.network.walk() if isinstance(layer, BatchNorm)]
    assert all(m.any() for m in tracked)


def test_pepita_sample_by_sample() -> None:
    net = Net("pepita(scale=0.3)")
    F = normal(Key(1, "rules/pepita/F"), (6, 3), 0.3 * 2, np.float64)  # √(6/D) = 1
    total = [(0 * W, 0 * b) for W, b in zip(net.W, net.b, strict=True)]
    n, L = len(net.x), len(net.W)
    for image, label in net.samples():
        h = [image]
        for i in range(L):
            h.append(net.f(i, h[i]))
        e = output_error(h[-1], label)
        h_err = [image + F @ e]
        for i in range(L):
            h_err.append(net.f(i, h_err[i]))
        for i in range(L):
            post = e if i == L - 1 else h[i + 1] - h_err[i + 1]
            total[i][0][...] += np.outer(post, h_err[i]) / n
            total[i][1][...] += post / n
    assert_learned(net.learn(), total)


def labelled(image: Array, k: int, peak: float) -> Array:
    shown = image.copy()
    shown[:3] = 0
    shown[k] = peak
    return shown


def peak_of(net: Net) -> float:
    """The batch's largest value outside of the label's pixels."""
    return float(max(abs(image[3:]).max() for image, _ in net.samples()))


def goodness(net: Net, i: int, x: Array) -> tuple[float, Array]:
    h = net.f(i, x / np.sqrt((x @ x) / len(x) + 1e-8))
    return float(h @ h), h


def test_forward_forward_sample_by_sample() -> None:
    """Each layer descends its own loss: by central differences of it, one weight at a time."""
    net = Net("ff(theta=0.5)")
    found = [net.learn(u) for u in range(40)]
    peak, n = peak_of(net), len(net.x)

    def loss(i: int, wrong: list[int]) -> float:
        total = 0.0
        for (image, label), other in zip(net.samples(), wrong, strict=True):
            for sign, k in ((1, label), (-1, other)):
                g, h = goodness(net, i, layer_input(i, image, k))
                total += np.log1p(np.exp(sign * (0.5 * len(h) - g))) / n
        return total

    def layer_input(i: int, image: Array, k: int) -> Array:
        x = labelled(image, k, peak)
        for below in range(i):
            x = frozen(below, x)
        return x

    weights, biases = [W.copy() for W in net.W], [b.copy() for b in net.b]

    def frozen(i: int, x: Array) -> Array:
        x = x / np.sqrt((x @ x) / len(x) + 1e-8)
        return np.maximum(weights[i] @ x + biases[i], 0)

    procedure: Any = net.model.procedure
    drawn = set()
    for update in (0, 1):
        wrong = procedure._wrong(net.labels, Step(Key(1, "step"), update)).tolist()
        drawn.add(tuple(wrong))
        assert all(w != label and 0 <= w < 3 for w, label in zip(wrong, net.labels, strict=True))
        for i in (0, 1):
            for index in [(0, 0), (2, 3), (4, 5)]:
                slope = 0.0
                for sign in (1, -1):
                    net.W[i][index] += sign * 1e-6
                    slope += sign * loss(i, wrong) / 2e-6
                    net.W[i][index] -= sign * 1e-6
                assert found[update][i][0][index] == pytest.approx(slope, abs=1e-8)
    assert len(drawn) == 2  # another wrong label in another update
    assert not any(W.any() for W, _ in (pair[2] for pair in found))  # the last layer takes no part


def test_forward_forward_answers_by_goodness() -> None:
    net = Net("ff")
    answer = net.model.answer(net.x, Step(Key(1)))
    peak = peak_of(net)
    for (image, _), row in zip(net.samples(), answer, strict=True):
        for k in range(3):
            _, h = goodness(net, 0, labelled(image, k, peak))
            assert row[k] == pytest.approx(goodness(net, 1, h)[0])


def test_feedback_alignment_through_w_itself_is_bp(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bit for bit, over many updates."""

    def weights_after(spec: str) -> Array:
        net = Net(spec, 16)
        for update in range(5):
            net.learn(update)
            net.model.arena.value -= 0.3 * net.model.arena.grad
        return net.model.arena.value

    exact = weights_after("bp")
    assert not np.array_equal(weights_after("fa"), exact)
    monkeypatch.setattr(State, "draw", lambda self, name, like, *_: like)  # B = W
    assert np.array_equal(weights_after("fa"), exact)


WHOLE = [name for name, kind in registered().items() if kind.procedure in ("two_pass", "relaxation")]


@pytest.mark.parametrize("name", WHOLE)
def test_a_search_refuses_it_with_the_reason(name: str) -> None:
    for options in ([f'space.rules=["usf", "{name}"]'], [f"rules.stem={name}"]):
        with pytest.raises(
            UsageError, match=f'rule "{name}" is no candidate of a search: .*train mlp'
        ) as caught:
            check_compatible(build(SearchConfig, [settings(options)]))
        assert caught.value.exit_code == 2


@pytest.mark.parametrize("name", WHOLE)
def test_it_learns_alone_and_on_a_chain(name: str) -> None:
    def made(**tree: Any) -> Model:
        config = build(TrainConfig, [tree])
        network = build_network(config, None, ImageShape(1, 8, 8, 10))
        return Model(network, Normalise([0.0], [1.0]), Key(0), backend=cpu())

    assert made(model="mlp", rule=name).procedure is not None
    with pytest.raises(UsageError, match=f'"{name}" runs a whole network'):
        made(model="mlp", rules_per_layer={"*": name, "classifier": "bp"})
    with pytest.raises(UsageError, match="this network branches"):
        made(model="resnet20", rule=name)
    if name == "pc":
        assert made(model="lenet", rule=name).procedure is not None
    else:
        with pytest.raises(UsageError, match="linear layers"):
            made(model="lenet", rule=name)


def test_a_rule_of_ones_own_is_run_as_the_one_that_it_inherits_from() -> None:
    """Whatever its name."""
    own = type("Own", (ForwardForward,), {"name": "own"})()
    network = MLP(6, 3, lambda _: own, SIZES[1:-1])
    model = Model(network, Normalise([0.0], [1.0]), Key(1), np.float64)
    assert isinstance(model.procedure, ForwardForwardPasses)


@pytest.mark.parametrize("spec", ["pc(steps=0)", "pc(beta=0)", "pepita(scale=0)"])
def test_malformed_specification(spec: str) -> None:
    with pytest.raises(UsageError, match="expected"):
        make_rule(spec)
