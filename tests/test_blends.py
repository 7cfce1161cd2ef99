"""Several rules in one layer: lanes with weights of their own, blends with shared ones."""

import numpy as np
import pytest
from bionas_cupy.engine.lanes import Blend
from bionas_cupy.engine.random import Key
from bionas_cupy.engine.registry import make_rules
from bionas_cupy.engine.step import Step
from bionas_cupy.layers.conv import Conv
from bionas_cupy.layers.linear import Linear
from synapse_cases import (
    FEW,
    Array,
    Case,
    N,
    close,
    one_pass,
    prepare,
)


@pytest.fixture
def W() -> Array:
    return np.random.default_rng(7).uniform(-0.3, 0.3, (20, 30))


MIXED = ["fa", "dfa", "usf", "brsf"]


@pytest.mark.parametrize("shared", [False, True])
def test_mixed_lanes_are_single_layers(shared: bool) -> None:
    case = Case(4, 4, 3, (7, 6), stride=2, groups=4, lanes=4, shared=shared)
    layer = prepare(case.build(make_rules(MIXED)))
    t = one_pass(case, layer, update=3)
    single = case._replace(lanes=1, shared=False)
    below = []
    for r, spec in enumerate(MIXED):
        alone = prepare(single.build(make_rules([spec])))
        alone.W.value[...] = layer.W.value[r]
        alone.states = [layer.states[r]]
        step = Step(Key(5), 3, top=t.top)
        x = t.x[0 if shared else r].reshape(N, 1, 4, 7, 6)
        y = alone.forward(x, step)
        assert close(y.reshape(N, -1), t.y[r])
        below.append(alone.backward(t.delta[r].reshape(y.shape), step).reshape(N, -1))
        assert close(alone.W.grad, layer.W.grad[r])
    expected = np.stack(below)
    assert close(t.below, expected.sum(0, keepdims=True) if shared else expected)


@pytest.mark.parametrize("case", [c for c in FEW if c.lanes == 1])
@pytest.mark.parametrize("specs", [["usf", "bp"], ["fa", "dfa"], ["fa", "brsf", "dfa", "frsf", "usf"]])
def test_blend_is_the_weighted_sum_of_single_passes(case: Case, specs: list[str]) -> None:
    blend = Blend(make_rules(specs))
    layer = prepare(case.build([blend]))
    p = np.random.default_rng(5).dirichlet(np.ones(len(specs)))
    blend.weights = list(p)
    t = one_pass(case, layer)
    below, grad = np.zeros_like(t.below), np.zeros_like(layer.W.grad)
    for weight, spec in zip(p, specs, strict=True):
        alone = prepare(case.build(make_rules([spec])))
        alone.W.value[...] = layer.W.value
        alone.states = layer.states
        single = one_pass(case, alone)
        below += weight * single.below
        grad += weight * alone.W.grad
    assert close(t.below, below)
    assert close(layer.W.grad, grad)


def test_blend_mixes_matrices(W: Array) -> None:
    rules = make_rules(["usf", "bp", "dfa"])
    layer = prepare(Linear(30, 20, [Blend(rules, [0.25, 0.5, 0.25])]))
    layer.W.value[...] = W
    (B,) = layer.feedback_weights()
    assert B is not None
    assert close(B, 0.25 * layer.s * np.sign(W) + 0.5 * W)  # DFA has no B of W's shape


def test_blend_draws_do_not_depend_on_its_weights() -> None:
    x = np.zeros((4, 4, 3, 3))
    found = []
    for weights in ([0.5, 0.5], [0.9, 0.1]):
        layer = prepare(Conv(4, 4, 3, [Blend(make_rules(["fa", "usf"]), weights)]))
        found.append(layer.states[0].draw("B", x))
    assert np.array_equal(*found)
