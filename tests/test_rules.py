"""Every rule on every weighted layer: what is sent below, what is learned, what is redrawn.

The reference of a layer is its dense matrix, written down tap by tap from the definition of a convolution; no
code of the engine takes part in it.
"""

import math
from typing import Any

import numpy as np
import pytest
from bionas_cupy.engine.check import check_gradients
from bionas_cupy.engine.errors import UsageError
from bionas_cupy.engine.lanes import Blend, uses_base
from bionas_cupy.engine.probe import probe
from bionas_cupy.engine.random import Key
from bionas_cupy.engine.registry import make_rule, make_rules, registered, split_rules
from bionas_cupy.engine.rule import Maps, Rule, Signals
from bionas_cupy.engine.step import Step
from bionas_cupy.layers.conv import Conv
from bionas_cupy.layers.linear import Linear
from bionas_cupy.layers.model import Model, new_step
from bionas_cupy.layers.norm import Normalise
from bionas_cupy.layers.synapse import Synapse
from synapse_cases import (
    CASES,
    FEW,
    ON_EVERY_CASE,
    Array,
    Case,
    K,
    N,
    angle,
    close,
    dense,
    lanes_of,
    one_pass,
    outer,
    prepare,
    sent_directly,
    sent_through,
    told,
)

TRANSPORT = [name for name, kind in registered().items() if kind.family == "transport"]
SPECS = [*TRANSPORT, "qsf2", "qsf3", "usf(scale=1)", "power(p=0.25)", "power(p=0;q=1)"]


# The four maps


@ON_EVERY_CASE
def test_maps_are_their_dense_matrices(case: Case) -> None:
    """push of every unit input is a column of the matrix, pull of every unit output a row."""
    layer = prepare(case.build(make_rules(["bp"] * case.lanes)))
    W = lanes_of(case, layer.W.value)
    matrices = [dense(case, w) for w in W]
    shape = (case.inputs,) if case.kernel == 0 else (case.channels, *case.size)
    units = np.eye(case.inputs).reshape(-1, *shape)
    x = np.stack([units] * case.read, 1)
    maps = layer.maps(x)
    y = maps.push(x, W)
    for r, D in enumerate(matrices):
        assert close(y[:, r].reshape(len(y), -1), D.T)
        assert close(maps.push(units, W[r]).reshape(len(y), -1), D.T)  # as a rule calls it
        ups = np.eye(len(D)).reshape(-1, *y.shape[2:])
        assert close(maps.pull(ups, W[r]).reshape(len(D), -1), D)
        in_lane = np.zeros((len(D), case.lanes, *y.shape[2:]))
        in_lane[:, r] = ups
        pulled = maps.pull(in_lane, W)
        assert pulled.shape == (len(D), *x.shape[1:])
        assert close(pulled[:, 0 if case.shared else r].reshape(len(D), -1), D)


@ON_EVERY_CASE
def test_outer_is_the_gathered_product(case: Case) -> None:
    layer = prepare(case.build(make_rules(["bp"] * case.lanes)))
    t = one_pass(case, layer)
    x, delta = case.x(), np.random.default_rng(3).standard_normal((N, *_output(case, layer)))
    x = x[:, None] if case.kernel == 0 else x
    found = layer.maps(x).outer(delta, x)
    for r in range(case.lanes):
        pre = x[:, 0 if case.shared else r]
        expected = outer(case, delta[:, r].reshape(N, -1), pre.reshape(N, -1), found.shape[1:])
        assert close(found[r], expected)
        assert close(layer.maps(x).outer(delta[:, r], pre), expected)
    assert t.y.shape[0] == case.lanes


def _output(case: Case, layer: Synapse) -> tuple[int, ...]:
    y = layer.forward(case.x(), Step(Key(0)))
    return (1, *y.shape[1:]) if case.kernel == 0 else y.shape[1:]


# Every rule on every layer


@ON_EVERY_CASE
@pytest.mark.parametrize("spec", SPECS)
def test_what_is_sent_and_learned(case: Case, spec: str) -> None:
    t = told(case, spec)
    rule, W = make_rule(spec), lanes_of(case, t.layer.W.value)
    grad = lanes_of(case, t.layer.W.grad)
    for r in range(case.lanes):
        x = t.x[0 if case.shared else r]
        assert close(t.y[r], x @ dense(case, W[r]).T)
        assert uses_base([rule], "update"), f"{spec} learns in its own way: give its ΔW here"
        assert close(grad[r], outer(case, t.delta[r], x, W[r].shape))  # grad = -ΔW
    assert uses_base([rule], "below") or rule.name == "dfa", f"{spec} has its own route: give its error here"
    if rule.name == "dfa":
        assert close(t.below, sent_directly(case, t))
    else:
        assert close(t.below, sent_through(case, t, t.layer.feedback_weights()))
    if rule.name != "bp":  # nothing falls back to BP
        assert not close(t.below, sent_through(case, t, list(W)), 0.01)


@ON_EVERY_CASE
def test_bp_is_the_gradient(case: Case) -> None:
    report = check_gradients(case.build(make_rules(["bp"] * case.lanes)), case.x(), full=0)
    assert set(report.errors) == ({"x", "W", "b"} if case.kernel == 0 else {"x", "W"})


@pytest.mark.parametrize("case", FEW)
@pytest.mark.parametrize("spec", SPECS)
def test_exact_step_is_the_gradient_for_every_rule(case: Case, spec: str) -> None:
    t = told(case, spec, exact=True)
    assert close(t.below, sent_through(case, t, list(lanes_of(case, t.layer.W.value))))


@pytest.mark.parametrize("case", FEW)
@pytest.mark.parametrize("spec", SPECS)
def test_float32_agrees_with_float64(case: Case, spec: str) -> None:
    layer = prepare(case.build([make_rule(spec) for _ in range(case.lanes)]), np.float32)
    assert close(one_pass(case, layer).below, told(case, spec).below, 1e-5)


@pytest.mark.parametrize("spec", SPECS)
def test_without_learning_only_the_error_travels(spec: str) -> None:
    t = told(CASES["dense_3"], spec, learn=False)
    assert not t.layer.W.grad.any()
    assert close(t.below, told(CASES["dense_3"], spec).below)


def test_linear_bias_learns_the_summed_error() -> None:
    t = told(CASES["linear"], "fa")
    assert isinstance(t.layer, Linear)
    assert t.layer.b is not None
    assert close(t.layer.b.grad, t.delta[0].sum(0))


# Each rule's B


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


# Combinations


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


# What a rule may know, and errors


class Peeking(Rule):
    name = "peeking"
    reads = ("x", "delta")

    def feedback_weights(self, W: Array, state: Any) -> Array:
        return W

    def update(self, maps: Maps, s: Signals) -> Array:
        return -maps.outer(s.y, s.x)


class Declaring(Peeking):
    name = "declaring"
    reads = ("x", "y", "delta")


class Looking(Peeking):
    """Sends below what it has no right to."""

    name = "looking"

    def below(self, maps: Maps, s: Signals) -> Array:
        return maps.pull(s.y, s.W)


class Deaf(Rule):
    """Keeps the base class's transport and update, and does not declare what they read."""

    name = "deaf"
    reads = ("x",)

    def feedback_weights(self, W: Array, state: Any) -> Array:
        return W


@pytest.mark.parametrize("blended", [False, True])
@pytest.mark.parametrize("rule", [Peeking(), Looking()])
def test_undeclared_signal_is_refused(rule: Rule, blended: bool) -> None:
    case = CASES["dense_3"]
    layer = prepare(case.build([Blend([rule, Declaring()]) if blended else rule]))
    with pytest.raises(UsageError, match=f'"{rule.name}" reads "y"'):
        one_pass(case, layer, learn=rule.name == "peeking")


@pytest.mark.parametrize("beside", [None, "usf", "dfa"])
def test_what_the_base_class_reads_must_be_declared_too(beside: str | None) -> None:
    layer = prepare(Conv(2, 2, 3, [Deaf(), *([make_rule(beside)] if beside else [])]))
    step = Step(Key(5), top=np.ones((N, K)))
    y = layer.forward(np.ones((N, 1, 2, 4, 4)), step)
    with pytest.raises(UsageError, match='"deaf" reads "delta"'):
        layer.backward(y, step)
    step = Step(Key(5), top=np.ones((N, K)), learn=False)
    layer.forward(np.ones((N, 1, 2, 4, 4)), step)
    with pytest.raises(UsageError, match='"deaf" reads "delta"'):
        layer.backward(y, step)


@pytest.mark.parametrize("case", FEW)
def test_declared_output_is_what_forward_gave(case: Case) -> None:
    t = one_pass(case, prepare(case.build([Declaring() for _ in range(case.lanes)])))
    for r, grad in enumerate(lanes_of(case, t.layer.W.grad)):
        expected = outer(case, t.y[r], t.x[0 if case.shared else r], grad.shape)
        assert close(grad, expected)


@pytest.mark.parametrize("case", [CASES[name] for name in CASES if name.startswith("lanes")])
def test_a_local_rule_beside_transporting_ones(case: Case) -> None:
    """Lanes whose rules update in different ways: each by its own, on its own input."""
    layer = prepare(case.build([make_rule("usf"), Declaring(), make_rule("dfa")]))
    t = one_pass(case, layer)
    for r, post in enumerate((t.delta[0], t.y[1], t.delta[2])):
        x = t.x[0 if case.shared else r]
        assert close(layer.W.grad[r], outer(case, post, x, layer.W.shape[1:]))


class Silent(Rule):
    """Learns, and sends nothing."""

    name = "silent"


@pytest.mark.parametrize("case", FEW)
def test_rule_without_a_route_is_named(case: Case) -> None:
    layer = prepare(case.build([Silent() for _ in range(case.lanes)]))
    with pytest.raises(UsageError, match='"silent" sends no error down'):
        one_pass(case, layer)


def test_probe_records_the_matrix_that_was_used() -> None:
    case = CASES["depthwise_stride_2"]
    for spec in ("brsf", "frsf", "qsf2"):
        with probe("B", "below", "delta", "dW") as p:
            t = told(case, spec, update=4)
        (update, B), (_, dW) = p["", "B"][0], p["", "dW"][0]
        assert update == 4
        assert close(t.below, sent_through(case, t, [B]))
        assert close(dW, -outer(case, t.delta[0], t.x[0], B.shape))


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("ufs", '"usf"'),
        ("dfaa", '"dfa"'),
        ("USF", 'Did you mean "usf"'),
        ("", "Known:"),
        ("usf(scale=", "unknown"),
        ("usf(scale)", "cannot be read"),
        ("usf(scale=x)", "cannot be read"),
        ("usf(size=1)", "It takes: scale"),
        ("power(r=1)", "It takes: p, q"),
        ("bp(scale=1)", "It takes: none"),
        ("bp2", "It takes: none"),
        ("fa2", "It takes: none"),
        ("qsf0", "from 1 to 16"),
        ("qsf17", "from 1 to 16"),
        ("qsf(bits=2.5)", "from 1 to 16"),
    ],
)
def test_malformed_specification(spec: str, told: str) -> None:
    with pytest.raises(UsageError, match=told) as caught:
        make_rule(spec)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("spec", SPECS)
def test_a_rule_names_itself(spec: str) -> None:
    rule = make_rule(spec)
    assert str(make_rule(str(rule))) == str(rule)
    assert rule.bits in (0, *range(1, 17), 32)


def test_lists_of_rules() -> None:
    specs = split_rules(" fa, power(p=0.5;q=1) ,usf,")
    assert specs == ["fa", "power(p=0.5;q=1)", "usf"]
    assert [rule.name for rule in make_rules(specs)] == ["fa", "power", "usf"]


BP = make_rules(["bp"])


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (Conv(3, 4, 3, BP), (2, 1, 4, 5, 5)),
        (Conv(3, 4, 3, BP), (2, 3, 5, 5)),
        (Conv(3, 4, 3, BP * 3), (2, 2, 3, 5, 5)),
        (Linear(6, 4, BP), (2, 5)),
    ],
)
def test_a_wrong_input_is_refused_with_both_shapes(layer: Synapse, shape: tuple[int, ...]) -> None:
    model = Model(layer, Normalise([0.0], [1.0]), Key(0))
    with pytest.raises(UsageError, match=r"the input is \(2, .*expected \(N, "):
        layer.forward(np.zeros(shape, np.float32), new_step(model, 0))


def test_linear_has_no_lanes() -> None:
    with pytest.raises(UsageError, match="2 rules, expected one"):
        Linear(3, 4, make_rules(["bp", "fa"]))


def test_backward_without_forward_is_refused() -> None:
    layer = prepare(CASES["dense_3"].build(make_rules(["bp"])))
    with pytest.raises(RuntimeError, match="before forward"):
        layer.backward(np.zeros((N, 1, 4, 6, 5)), Step(Key(0)))
