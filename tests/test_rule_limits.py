"""What a rule may know of a layer, how rules are specified, and what is refused."""

from typing import Any

import numpy as np
import pytest
from bionas_cupy.engine.errors import UsageError
from bionas_cupy.engine.lanes import Blend
from bionas_cupy.engine.probe import probe
from bionas_cupy.engine.random import Key
from bionas_cupy.engine.registry import make_rule, make_rules, split_rules
from bionas_cupy.engine.rule import Maps, Rule, Signals
from bionas_cupy.engine.step import Step
from bionas_cupy.layers.conv import Conv
from bionas_cupy.layers.linear import Linear
from bionas_cupy.layers.model import Model
from bionas_cupy.layers.norm import Normalise
from bionas_cupy.layers.synapse import Synapse
from rule_cases import SPECS
from synapse_cases import (
    CASES,
    FEW,
    Array,
    Case,
    K,
    N,
    close,
    lanes_of,
    one_pass,
    outer,
    prepare,
    sent_through,
    told,
)


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
        layer.forward(np.zeros(shape, np.float32), Step(model.key.to("step"), 0))


def test_linear_has_no_lanes() -> None:
    with pytest.raises(UsageError, match="2 rules, expected one"):
        Linear(3, 4, make_rules(["bp", "fa"]))


def test_backward_without_forward_is_refused() -> None:
    layer = prepare(CASES["dense_3"].build(make_rules(["bp"])))
    with pytest.raises(RuntimeError, match="before forward"):
        layer.backward(np.zeros((N, 1, 4, 6, 5)), Step(Key(0)))
