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
from bionas_cupy.layers.mlp import MLP
from bionas_cupy.layers.model import Model
from bionas_cupy.layers.norm import Normalise
from bionas_cupy.search.compatible import check_compatible
from bionas_cupy.search.config import SearchConfig, TrainConfig, build
from bionas_cupy.search.networks import ImageShape, build_network
from bionas_cupy.search.tree import settings
from synapse_cases import Array
from whole_network_cases import SIZES, Net, assert_learned, convolutional, output_error


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


def labelled(image: Array, k: int) -> Array:
    shown = image.copy()
    shown[:3] = 0
    shown[k] = abs(image[3:]).max()
    return shown


def goodness(net: Net, i: int, x: Array) -> tuple[float, Array]:
    h = net.f(i, x / np.sqrt((x @ x) / len(x) + 1e-8))
    return float(h @ h), h


def test_forward_forward_sample_by_sample() -> None:
    """Each layer descends its own loss: by a loop over samples, and by central differences, one weight at a time."""
    net = Net("ff(theta=0.5)")
    found = [net.learn(u) for u in range(40)]
    n = len(net.x)

    def loss(i: int, wrong: list[int]) -> float:
        total = 0.0
        for (image, label), other in zip(net.samples(), wrong, strict=True):
            for sign, k in ((1, label), (-1, other)):
                g, h = goodness(net, i, layer_input(i, image, k))
                total += np.log1p(np.exp(sign * (0.5 * len(h) - g))) / n
        return total

    def descent(i: int, wrong: list[int]) -> tuple[Array, Array]:
        """∂/∂W and ∂/∂b of that loss, written down sample by sample."""
        dW, db = 0 * net.W[i], 0 * net.b[i]
        for (image, label), other in zip(net.samples(), wrong, strict=True):
            for sign, k in ((1, label), (-1, other)):
                x = layer_input(i, image, k)
                g, h = goodness(net, i, x)
                slope = -sign / (1 + np.exp(-sign * (0.5 * len(h) - g))) * 2 * h / n
                dW += np.outer(slope, x / np.sqrt((x @ x) / len(x) + 1e-8))
                db += slope
        return dW, db

    def layer_input(i: int, image: Array, k: int) -> Array:
        x = labelled(image, k)
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
            assert_learned([found[update][i]], [descent(i, wrong)])
        for i, index in [(0, (0, 0)), (0, (2, 3)), (1, (2, 3)), (1, (4, 5))]:
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
    alone = [net.model.answer(net.x[i : i + 1], Step(Key(1)))[0] for i in range(len(net.x))]
    np.testing.assert_allclose(answer, alone, rtol=1e-12)  # whatever other images it is shown with
    for (image, _), row in zip(net.samples(), answer, strict=True):
        for k in range(3):
            _, h = goodness(net, 0, labelled(image, k))
            assert row[k] == pytest.approx(goodness(net, 1, h)[0])


@pytest.mark.parametrize("network", ["mlp", "convolutions"])
def test_feedback_alignment_through_w_itself_is_bp(network: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bit for bit, over many updates."""

    def weights_after(spec: str) -> Array:
        rng = np.random.default_rng(3)
        net = Net(spec, 16)
        model = net.model if network == "mlp" else convolutional(spec)
        images = net.x if network == "mlp" else rng.normal(size=(16, 1, 1, 4, 4))
        for update in range(5):
            model.arena.grad.fill(0)
            step = Step(Key(1, "step"), update)
            _, error = cross_entropy(model.network.forward(images, step), net.labels)
            model.network.backward(error, step)
            model.arena.value -= 0.3 * model.arena.grad
        return model.arena.value

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
