"""Every rule on every weighted layer, against its dense matrix (synapse_cases.py): what is sent and learned."""

import numpy as np
import pytest
from bionas_cupy.engine.check import check_gradients
from bionas_cupy.engine.lanes import uses_base
from bionas_cupy.engine.registry import make_rule, make_rules
from bionas_cupy.layers.linear import Linear
from rule_cases import SPECS
from synapse_cases import (
    CASES,
    FEW,
    ON_EVERY_CASE,
    Case,
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


@ON_EVERY_CASE
@pytest.mark.parametrize("spec", SPECS)
def test_what_is_sent_and_learned(case: Case, spec: str) -> None:
    t = told(case, spec)
    rule, W = make_rule(spec), lanes_of(case, t.layer.W.value)
    grad = lanes_of(case, t.layer.W.grad)
    for r in range(case.lanes):
        x = t.x[0 if case.shared else r]
        assert close(t.y[r], x @ dense(case, W[r]).T)
        assert uses_base(rule, "update"), f"{spec} learns in its own way: give its ΔW here"
        assert close(grad[r], outer(case, t.delta[r], x, W[r].shape))  # grad = -ΔW
    assert uses_base(rule, "below") or rule.name == "dfa", f"{spec} has its own route: give its error here"
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
