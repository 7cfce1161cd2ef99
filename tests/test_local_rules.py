"""Every local rule on every weighted layer, against a loop over single patches written from its paper."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from bionas_cupy.engine.errors import UsageError
from bionas_cupy.engine.random import Key
from bionas_cupy.engine.registry import make_rule, registered
from bionas_cupy.engine.step import Step
from bionas_cupy.layers.linear import Linear
from synapse_cases import (
    CASES,
    FEW,
    ON_EVERY_CASE,
    Array,
    Case,
    N,
    close,
    competition,
    lanes_of,
    one_pass,
    patches_of,
    prepare,
    sent_through,
    told,
)
from test_local_lanes import Posting

LOCAL = [name for name, kind in registered().items() if kind.family == "local"]
VARIANTS = [
    "oja(normalise=0;rate=0.5)",
    "hebbian(rate=2)",
    "hpca(normalise=0)",
    "swta(t=0.3)",
    "softhebb(t=0.65;rate=1)",
    "krotov_hopfield(p=3;k=3;anti=0.2)",
    "inoue(normalise=0)",
]
Naive = Callable[[Array, list[Array], Any], Array]  # W (U, D) of a group, its patches x (D,), the rule


def hebbian(W: Array, patches: list[Array], rule: Any) -> Array:
    total = np.zeros_like(W)
    for x in patches:
        y = np.array([w @ x for w in W])
        if y.any():
            total += np.outer(y / np.linalg.norm(y), x / np.linalg.norm(x))
    return total / len(patches)


def three_factor(W: Array, patches: list[Array], rule: Any) -> Array:
    return 0.7 * hebbian(W, patches, rule)  # the modulator of one_pass


def oja(W: Array, patches: list[Array], rule: Any) -> Array:
    total, energy = np.zeros_like(W), 0.0
    for x in patches:
        y = np.array([w @ x for w in W])
        energy += x @ x
        for o in range(len(W)):
            total[o] += y[o] * (x - sum(y[u] * W[u] for u in range(len(W))))
    return total / (energy if rule.normalise else len(patches))


def hpca(W: Array, patches: list[Array], rule: Any) -> Array:
    total = np.zeros_like(W)
    for x in patches:
        y = np.array([w @ x for w in W])
        for o in range(len(W)):
            total[o] += y[o] * (x - sum(y[u] * W[u] for u in range(o + 1)))
    return total / (sum(x @ x for x in patches) if rule.normalise else len(patches))


def exponentials(u: Array, t: float) -> Array:
    return np.exp(t * u) / sum(np.exp(t * v) for v in u)


def swta(W: Array, patches: list[Array], rule: Any) -> Array:
    total, won = np.zeros_like(W), np.zeros(len(W))
    for x in patches:
        won += exponentials(W @ x, rule.t)
    for x in patches:
        for o, G in enumerate(exponentials(W @ x, rule.t)):
            total[o] += G / won[o] * G * (x - W[o])
    return total


def softhebb(W: Array, patches: list[Array], rule: Any) -> Array:
    total = np.zeros_like(W)
    for x in patches:
        u = W @ x
        y = exponentials(u, rule.t)
        for o in range(len(W)):
            y_o = y[o] if o == np.argmax(u) else -y[o]
            total[o] += y_o * (x - u[o] * W[o])
    return total


def krotov_hopfield(W: Array, patches: list[Array], rule: Any) -> Array:
    total = np.zeros_like(W)
    for x in patches:
        current = np.array([np.sign(w) * abs(w) ** (rule.p - 1) @ x for w in W])
        order = np.argsort(-current, kind="stable")
        g = np.zeros(len(W))
        g[order[0]] = 1.0
        if len(W) >= rule.k:
            g[order[int(rule.k) - 1]] = -rule.anti
        for o in range(len(W)):
            total[o] += g[o] * (x - current[o] * W[o])
    return total


def inoue(W: Array, patches: list[Array], rule: Any) -> Array:
    total, energy = np.zeros_like(W), 0.0
    for x in patches:
        z = competition(W, x)
        energy += z @ z
        for o in range(len(W)):
            total[o] += z[o] * (x - sum(z[u] * W[u] for u in range(len(W))))
    return total / max(energy, 1e-300) if rule.normalise else total / len(patches)


NAIVE: dict[str, Naive] = {
    f.__name__: f for f in (hebbian, three_factor, oja, hpca, swta, softhebb, krotov_hopfield, inoue)
}


def expected(case: Case, W: Array, x: Array, rule: Any) -> Array:
    """ΔW of one lane, group by group."""
    units = case.outputs // case.groups
    flat = W.reshape(case.groups, units, -1)
    naive = NAIVE[rule.name]
    changes = np.stack([naive(w, p, rule) for w, p in zip(flat, patches_of(case, x), strict=True)])
    if rule.name == "softhebb":  # its last factor is a unit's own, and comes after the division
        own = np.sqrt(abs(np.linalg.norm(flat, axis=2, keepdims=True) - 1))
        changes = own * changes / abs(changes).max()
    if rule.name == "krotov_hopfield":
        changes /= abs(changes).max()
    return rule.rate * changes.reshape(W.shape)


@ON_EVERY_CASE
@pytest.mark.parametrize("spec", LOCAL)
def test_update_is_the_papers(case: Case, spec: str) -> None:
    check_update(case, spec)


@pytest.mark.parametrize("case", [*FEW, CASES["grouped"]])
@pytest.mark.parametrize("spec", VARIANTS)
def test_update_with_other_options(case: Case, spec: str) -> None:
    check_update(case, spec)


def check_update(case: Case, spec: str) -> None:
    t = told(case, spec)
    W, grad = lanes_of(case, t.layer.W.value), lanes_of(case, t.layer.W.grad)
    for r in range(case.lanes):
        x = t.x[0 if case.shared else r]
        assert close(-grad[r], expected(case, W[r], x, make_rule(spec)))
    assert not t.below.any()


@pytest.mark.parametrize("case", FEW)
@pytest.mark.parametrize("spec", LOCAL)
def test_what_is_passed_down(case: Case, spec: str) -> None:
    """Nothing, the exact error, or one through a fixed B; what is learned does not depend on it."""
    silent = told(case, spec)
    for sends in ("exact", "feedback"):
        t = told(case, f"{spec}(sends={sends})")
        W = lanes_of(case, t.layer.W.value)
        B = list(W) if sends == "exact" else t.layer.feedback_weights()
        assert close(t.below, sent_through(case, t, B))
        assert np.array_equal(t.layer.W.grad, silent.layer.W.grad)
        assert close(t.below, sent_through(case, t, list(W)), 0.01) == (sends == "exact")
    assert not silent.below.any()


@pytest.mark.parametrize("case", FEW)
@pytest.mark.parametrize("spec", LOCAL)
def test_float32_agrees_with_float64_and_repeats(case: Case, spec: str) -> None:
    rules = [make_rule(spec) for _ in range(case.lanes)]
    single = [one_pass(case, prepare(case.build(rules), np.float32)).layer.W.grad for _ in range(2)]
    assert np.array_equal(*single)
    assert close(single[0], told(case, spec).layer.W.grad, 2e-5)


@pytest.mark.parametrize("spec", LOCAL)
def test_a_bias_does_not_learn_by_an_error_that_the_rule_never_reads(spec: str) -> None:
    t = told(CASES["linear"], spec)
    assert isinstance(t.layer, Linear)
    assert t.layer.b is not None
    assert not t.layer.b.grad.any()


def test_the_output_that_a_rule_reads_has_its_bias() -> None:
    layer = prepare(Linear(3, 2, [Posting()]))
    assert layer.b is not None
    layer.b.value[...] = 1.0, -2.0
    x = np.random.default_rng(0).normal(size=(N, 3))
    step = Step(Key(0))
    y = layer.forward(x, step)
    layer.backward(0 * y, step)
    assert close(-layer.W.grad, y.T @ x)


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("oja(sends=up)", "expected one of none, exact"),
        ("oja(rate=0)", "more than 0"),
        ("hebbian(sends=)", "none, exact"),
    ],
)
def test_malformed_specification(spec: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        make_rule(spec)


@pytest.mark.parametrize("spec", [*LOCAL, *VARIANTS, "oja(sends=exact)"])
def test_a_rule_names_itself_and_what_it_demands(spec: str) -> None:
    rule = make_rule(spec)
    assert str(rule) == str(make_rule(str(rule))) == spec
    assert rule.bits == (32 if "exact" in spec else 0)
    assert ("delta" in rule.reads) == ("sends" in spec)
