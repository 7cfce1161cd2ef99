"""Each rule's B: its angle to W, its deviation, its levels, when it is drawn anew."""

import math
from typing import Any

import numpy as np
import pytest
from bionas_cupy.engine.random import Key
from bionas_cupy.engine.registry import make_rule, make_rules
from bionas_cupy.engine.step import Step
from bionas_cupy.layers.conv import Conv
from bionas_cupy.layers.linear import Linear
from bionas_cupy.layers.synapse import Synapse
from rule_cases import SPECS
from synapse_cases import (
    CASES,
    FEW,
    Array,
    Case,
    K,
    angle,
    close,
    one_pass,
    prepare,
)

ANGLES = {
    "bp": 0.0,
    "usf": 30.0,
    "usf(scale=1)": 30.0,
    "frsf": 41.4,
    "brsf": 41.4,
    "power(p=0;q=1)": 41.4,
    "fa": 90.0,
    "power": 11.5,
    "power(p=0.25)": 19.5,
    **{f"qsf{b}": math.degrees(math.acos(math.sqrt(1 - 0.25 / 4 ** (b - 1)))) for b in (1, 2, 3)},
}
LARGE = {
    "linear": lambda rules: Linear(300, 200, rules),
    "dense": lambda rules: Conv(60, 80, 3, rules),
    "depthwise": lambda rules: Conv(2000, 2000, 5, rules, groups=2000),
}


@pytest.mark.parametrize("kind", LARGE)
@pytest.mark.parametrize("spec", ANGLES)
def test_initial_angle(spec: str, kind: str) -> None:
    layer = prepare(LARGE[kind](make_rules([spec])))
    (B,) = layer.feedback_weights()
    assert B is not None
    assert abs(angle(B, layer.W.value) - ANGLES[spec]) < (1.0 if ANGLES[spec] else 1e-6)
    assert B.shape == layer.W.shape


@pytest.mark.parametrize(
    ("layer", "s"),
    [
        (Linear(30, 20, make_rules(["usf"])), (2 / 50) ** 0.5),
        (Conv(6, 10, 3, make_rules(["usf"])), (2 / (6 * 9 + 10 * 9)) ** 0.5),
        (Conv(8, 8, 5, make_rules(["usf"]), groups=8), (2 / 50) ** 0.5),
        (Conv(8, 12, 3, make_rules(["usf"]), groups=4), (2 / (2 * 9 + 3 * 9)) ** 0.5),
    ],
)
def test_usf_has_the_deviation_of_a_group_aware_initialiser(layer: Synapse, s: float) -> None:
    (B,) = prepare(layer).feedback_weights()
    assert B is not None
    assert close(B, s * np.sign(layer.W.value))
    assert abs(layer.W.value).max() <= 3**0.5 * s


def test_deviations_of_w_and_b() -> None:
    """Where B stands for W it has W's size, whatever the rule: std of W, rms of B."""
    for spec in ANGLES:
        layer = prepare(LARGE["dense"](make_rules([spec])))
        (B,) = layer.feedback_weights()
        assert B is not None
        expected = 1.0 if spec == "usf(scale=1)" else (2 / (140 * 9)) ** 0.5
        assert np.sqrt((B**2).mean()) == pytest.approx(expected, rel=0.01), spec
        assert np.sqrt((layer.W.value**2).mean()) == pytest.approx((2 / (140 * 9)) ** 0.5, rel=0.01)


def feedback(spec: str, W: Array, layer: Synapse | None = None) -> Array:
    layer = layer or prepare(Linear(W.shape[1], W.shape[0], make_rules([spec])))
    layer.W.value[...] = W
    (B,) = layer.feedback_weights()
    assert B is not None
    return np.array(B)


@pytest.fixture
def W() -> Array:
    return np.random.default_rng(7).uniform(-0.3, 0.3, (20, 30))


def test_rules_that_coincide(W: Array) -> None:
    assert np.array_equal(feedback("qsf1", W), feedback("usf", W))
    assert np.array_equal(feedback("power(p=1)", W), W)
    assert np.array_equal(feedback("bp", W), W)
    assert np.array_equal(feedback("usf(scale=1)", W), np.sign(W))
    p0 = feedback("power(p=0)", W)
    assert close(p0, np.sign(W) * np.sqrt((W**2).mean()))


def by_hand(rule: Any, W: Array, layer: Synapse) -> Array:
    """B as its equation has it, one weight at a time."""
    state, rms = layer.states[0], math.sqrt(sum(w * w for w in W.ravel()) / W.size)
    name, B = rule.name, np.zeros(W.size)
    R = state.draw("B" if name == "fa" else "R", W, renew=name == "brsf").ravel()
    for i, w in enumerate(W.ravel()):
        sign = int(w > 0) - int(w < 0)
        if name == "qsf":
            L = 2 ** (int(rule.bits) - 1)
            j = min(int(abs(w) / (math.sqrt(3) * rms) * L), L - 1)
            B[i] = layer.s * sign * (j + 0.5) / math.sqrt(L * L / 3 - 1 / 12)
        elif name == "power":
            B[i] = sign * abs(w) ** rule.p * abs(R[i]) ** rule.q
        else:
            scaled = rule.scale or layer.s if name == "usf" else None
            B[i] = {"bp": w, "fa": R[i], "usf": (scaled or 0) * sign}.get(name, abs(R[i]) * sign)
    if name == "power":
        B *= rms / math.sqrt(sum(b * b for b in B) / B.size)
    return B.reshape(W.shape)


@pytest.mark.parametrize("case", [CASES["linear"], CASES["dense_3"], CASES["depthwise_stride_2"]])
@pytest.mark.parametrize("spec", [s for s in SPECS if s != "dfa"])
def test_feedback_weights_one_by_one(case: Case, spec: str) -> None:
    layer = prepare(case.build([make_rule(spec)]))
    layer.states[0].update = 3
    layer.W.value.ravel()[::5] = 0.0
    layer.W.value.ravel()[2] *= 9  # beyond the range of the others
    (B,) = layer.feedback_weights()
    assert B is not None
    assert close(B, by_hand(layer.rules[0], layer.W.value, layer))


def test_quantised_levels(W: Array) -> None:
    """b bits: 2^(b-1) magnitudes in the order of |W|, equally spaced; beyond the range, the last one."""
    W[0, 0] = -0.6
    for b in (1, 2, 3, 5):
        B = feedback(f"qsf{b}", W)
        levels = np.unique(abs(B))
        assert len(levels) == 2 ** (b - 1)
        assert np.allclose(levels, levels[0] * (2 * np.arange(len(levels)) + 1))
        assert abs(B[0, 0]) == levels[-1]
        assert np.array_equal(np.sign(B), np.sign(W))
        order = np.argsort(abs(W).ravel())
        assert (np.diff(abs(B).ravel()[order]) >= 0).all()


@pytest.mark.parametrize("spec", [s for s in SPECS if s not in ("fa", "dfa")])
def test_no_sign_where_w_is_zero(spec: str, W: Array) -> None:
    W[3, 4:9] = 0.0
    B = feedback(spec, W)
    assert not B[3, 4:9].any()
    assert np.count_nonzero(B) == W.size - 5
    assert np.isfinite(feedback(spec, 0 * W)).all()


@pytest.mark.parametrize("spec", ["frsf", "power(p=0;q=1)"])
def test_fixed_magnitudes_and_signs_that_follow(spec: str, W: Array) -> None:
    layer = prepare(Linear(30, 20, make_rules([spec])))
    before = feedback(spec, W, layer)
    flip = np.where(np.arange(W.size).reshape(W.shape) % 3 == 0, -1.0, 1.0)
    layer.states[0].update = 9
    after = feedback(spec, flip * W, layer)
    assert np.array_equal(after, flip * before)
    assert np.array_equal(np.sign(before), np.sign(W))
    if spec == "frsf":  # and nothing of |W| is transported
        assert np.array_equal(feedback(spec, 3 * W**3, layer), before)


def test_brsf_is_redrawn_once_an_update() -> None:
    case = CASES["depthwise_stride_2"]
    layer = prepare(case.build(make_rules(["brsf"])))

    def magnitudes(update: int, **options: Any) -> Array:
        one_pass(case, layer, update, **options)
        (B,) = layer.feedback_weights()
        assert B is not None
        assert np.array_equal(np.sign(B), np.sign(layer.W.value))
        return abs(B)

    first = magnitudes(0)
    assert np.array_equal(magnitudes(0), first)
    assert np.array_equal(magnitudes(0, training=False, learn=False), first)
    second = magnitudes(1)
    assert (second != first).all()
    assert np.array_equal(magnitudes(1, training=False), second)
    assert np.array_equal(magnitudes(0), first)  # a function of the update, in any order
    layer.W.value *= -2.0
    assert np.array_equal(magnitudes(1), second)


@pytest.mark.parametrize("case", FEW)
def test_fa_never_changes(case: Case) -> None:
    layer = prepare(case.build([make_rule("fa") for _ in range(case.lanes)]))
    first = [np.array(B) for B in layer.feedback_weights()]
    assert all(not np.array_equal(a, b) for i, a in enumerate(first) for b in first[:i])  # lanes differ
    t = one_pass(case, layer, update=7)
    layer.W.value[...] = np.random.default_rng(3).standard_normal(layer.W.shape)
    assert all(np.array_equal(a, b) for a, b in zip(first, layer.feedback_weights(), strict=True))
    assert close(one_pass(case, layer, update=8).below, t.below)


@pytest.mark.parametrize("name", ["linear", "dense_3", "depthwise_stride_2", "pointwise_stride_2_odd"])
def test_dfa_sends_the_top_error_through_one_fixed_matrix(name: str) -> None:
    case = CASES[name]
    layer = prepare(case.build(make_rules(["dfa"])))

    def sent(top: Array, update: int, factor: float) -> Array:
        x = np.resize(case.x(), (len(top), *case.x().shape[1:]))
        step = Step(Key(5), update, top=top)
        y = layer.forward(x, step)
        return layer.backward(factor * np.ones_like(y), step).reshape(len(top), -1)

    B = sent(np.eye(K), 0, 1.0)  # the rows of B, one class after the other
    assert B.shape == (K, case.inputs)
    assert np.linalg.matrix_rank(B) == K
    assert B.std() == pytest.approx((2 / (K + case.inputs)) ** 0.5, rel=0.3)
    layer.W.value[...] = 0.0
    e = np.random.default_rng(4).standard_normal((5, K))
    assert close(sent(e, 12, -3.0), e @ B)


def test_draws_are_of_the_layer_the_lane_and_the_seed() -> None:
    layers = [Conv(4, 4, 3, make_rules(["fa"] * 2)), Conv(4, 4, 3, make_rules(["fa"] * 2))]
    for layer, name in zip(layers, "ab", strict=True):
        layer.name = name
        layer.attach(Key(1))
    again = Conv(4, 4, 3, make_rules(["fa"] * 2))
    again.name = "a"
    found = []
    for layer, key in ((layers[0], Key(1)), (layers[1], Key(1)), (again, Key(2))):
        layer.attach(key)
        found += [s.draw("B", np.zeros((4, 4, 3, 3))) for s in layer.states]
    assert all(angle(a, b) > 60 for i, a in enumerate(found) for b in found[:i])
    again.attach(Key(1))
    assert np.array_equal(again.states[1].draw("B", np.zeros((4, 4, 3, 3))), found[1])
