"""Every local rule on every weighted layer, against a loop over single patches written from its paper."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from bionas_cupy.engine.errors import UsageError
from bionas_cupy.engine.lanes import Blend
from bionas_cupy.engine.random import Key
from bionas_cupy.engine.registry import make_rule, make_rules, registered
from bionas_cupy.engine.rule import Maps, Rule, Signals
from bionas_cupy.engine.step import Step
from bionas_cupy.layers.conv import Conv
from bionas_cupy.layers.linear import Linear
from synapse_cases import (
    CASES,
    FEW,
    ON_EVERY_CASE,
    Array,
    Case,
    N,
    close,
    lanes_of,
    one_pass,
    outer,
    patches_of,
    prepare,
    sent_through,
    told,
)

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
        size = abs(W @ x)
        z = np.zeros(len(W))
        if size.std() > 0:
            z = np.maximum((size - size.mean()) / size.std(), 0)
            z /= z.max()
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


class Posting(Rule):
    """Hebb without any care."""

    name, reads, sends, bits = "posting", ("x", "y"), "none", 0.0

    def update(self, maps: Maps, s: Signals) -> Array:
        return maps.outer(s.y, s.x)


# Mixtures


MIXED = ["fa", "oja", "dfa", "usf", "hebbian(sends=exact)"]


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("specs", [MIXED, ["oja", "hebbian"], ["oja", "dfa"]])
def test_lanes_mix_local_and_transporting_rules(shared: bool, specs: list[str]) -> None:
    case = Case(4, 4, 3, (7, 6), stride=2, groups=2, lanes=len(specs), shared=shared)
    layer = prepare(case.build(make_rules(specs)))
    t = one_pass(case, layer, share=np.full(len(specs), 0.25))
    below = []
    for r, spec in enumerate(specs):
        alone = prepare(case._replace(lanes=1, shared=False).build(make_rules([spec])))
        alone.W.value[...], alone.states = layer.W.value[r], [layer.states[r]]
        step = Step(Key(5), top=0.25 * t.top)
        x = t.x[0 if shared else r].reshape(N, 1, 4, 7, 6)
        y = alone.forward(x, step)
        below.append(alone.backward(t.delta[r].reshape(y.shape), step).reshape(N, -1))
        assert close(alone.W.grad, layer.W.grad[r])  # a local update does not count by its share
    whole = np.stack(below)
    assert close(t.below, whole.sum(0, keepdims=True) if shared else whole)


@pytest.mark.parametrize("specs", [["oja", "usf", "dfa"], ["oja", "hebbian"]])
def test_a_blend_weighs_local_updates_by_their_probability(specs: list[str]) -> None:
    case, p = CASES["grouped"], np.random.default_rng(5).dirichlet(np.ones(len(specs)))
    layer = prepare(case.build([Blend(make_rules(specs), list(p))]))
    t = one_pass(case, layer)
    below, grad = np.zeros_like(t.below), np.zeros_like(layer.W.grad)
    for weight, spec in zip(p, specs, strict=True):
        alone = prepare(case.build(make_rules([spec])))
        alone.W.value[...], alone.states = layer.W.value, layer.states
        below += weight * one_pass(case, alone).below
        grad += weight * alone.W.grad
    assert close(layer.W.grad, grad)
    assert close(t.below, below)


# What the maps offer


@pytest.mark.parametrize("case", [c for c in CASES.values() if c.lanes == 1])
def test_gram_decay_and_energy_are_sums_over_patches(case: Case) -> None:
    layer = prepare(case.build(make_rules(["oja"])))
    x, W = case.x(), layer.W.value
    x = x if case.kernel == 0 else x[:, 0]
    maps, rng = layer.maps(case.x() if case.kernel else x[:, None]), np.random.default_rng(3)
    y = maps.push(x, W)
    a, b = rng.normal(size=y.shape), rng.normal(size=y.shape)
    U, rows = case.outputs // case.groups, lambda z, g: np.moveaxis(maps.units(z), 1, 0)[g].swapaxes(1, 2)
    gram = maps.gram(a, b)
    for g in range(case.groups):
        A, B = (rows(z, g).reshape(-1, U) for z in (a, b))
        assert close(gram[g], sum(np.outer(p, q) for p, q in zip(A, B, strict=True)))
        block = slice(g * U, (g + 1) * U)
        shared = maps.among(gram, W)[block].reshape(U, -1)
        assert close(shared, gram[g] @ W[block].reshape(U, -1))
    assert close(maps.decay(a, W), maps.among(maps.gram(a, a), W))
    assert close(maps.per_unit(a).ravel(), a.reshape(*a.shape[:2], -1).sum((0, 2)))
    energies = [[p @ p for p in patches] for patches in patches_of(case, x.reshape(N, -1))]
    found = np.moveaxis(maps.units(maps.energy(x, W)), 1, 0)  # (G, N, U, P)
    for g, energy in enumerate(energies):
        for u in range(U):
            assert close(found[g, :, u].ravel(), np.array(energy))


@pytest.mark.parametrize("samples", [2, 200])
def test_decay_is_the_same_either_way_round(samples: int) -> None:
    layer = prepare(Linear(7, 30, make_rules(["oja"])))
    z = np.random.default_rng(0).normal(size=(samples, 30))
    maps = layer.maps(np.zeros((samples, 1, 7)))
    assert close(maps.decay(z, layer.W.value), z.T @ z @ layer.W.value)


# What the rules are known for


def learn(layer: Linear | Conv, batches: list[Array], rate: float) -> Array:
    for update, x in enumerate(batches):
        layer.W.grad.fill(0)
        step = Step(Key(0), update)
        y = layer.forward(x, step)
        layer.backward(0 * y, step)
        layer.W.value -= rate * layer.W.grad
    return layer.W.value.reshape(len(layer.W.value), -1)


def spectrum(D: int) -> tuple[Array, Array]:
    """Gaussian samples (n, D) whose covariance has known eigenvectors (columns), largest first."""
    rng = np.random.default_rng(1)
    basis = np.linalg.qr(rng.normal(size=(D, D)))[0]
    deviations = np.array([3.0, 2.5, 2.0, *[0.5] * (D - 3)])
    return (rng.normal(size=(4000, D)) * deviations) @ basis.T, basis


@pytest.mark.parametrize("spec", ["oja", "oja(normalise=0;rate=0.05)"])
def test_oja_finds_the_principal_subspace(spec: str) -> None:
    x, _ = spectrum(8)
    principal = np.linalg.eigh(x.T @ x)[1][:, -3:]
    W = learn(prepare(Linear(8, 3, make_rules([spec]), bias=False)), [x] * 400, 1.0)
    assert np.allclose(W @ W.T, np.eye(3), atol=1e-6)
    assert np.allclose(W.T @ W, principal @ principal.T, atol=1e-6)


def test_hpca_finds_the_components_in_their_order() -> None:
    x, _ = spectrum(8)
    principal = np.linalg.eigh(x.T @ x)[1][:, :-4:-1].T
    W = learn(prepare(Linear(8, 3, make_rules(["hpca"]), bias=False)), [x] * 1500, 1.0)
    assert np.allclose(abs(W @ principal.T), np.eye(3), atol=1e-4)


@pytest.mark.parametrize(
    "spec", ["softhebb(t=2;rate=1)", "krotov_hopfield(rate=1)", "krotov_hopfield(p=3;rate=1)"]
)
def test_units_that_win_end_at_length_one(spec: str) -> None:
    rule: Any = make_rule(spec)
    rng = np.random.default_rng(0)
    x = np.repeat(np.eye(6)[:3], 20, axis=0) * 3 + 0.1 * rng.normal(size=(60, 6))
    layer = prepare(Linear(6, 3, [rule], bias=False))
    layer.W.value[...] = 0.3 * np.eye(6)[:3] + 0.02 * rng.normal(size=(3, 6))
    W = np.array(learn(layer, [x] * 300, 0.05))
    power = getattr(rule, "p", 2)
    assert np.allclose((abs(W) ** power).sum(axis=1), 1.0, atol=0.15)
    assert np.array_equal(np.argmax(W, axis=1), [0, 1, 2])  # each its own cluster


def test_soft_winner_take_all_finds_the_clusters() -> None:
    rng = np.random.default_rng(0)
    centres = 4 * np.eye(6)[:3]
    x = np.repeat(centres, 20, axis=0) + 0.1 * rng.normal(size=(60, 6))
    layer = prepare(Linear(6, 3, make_rules(["swta(t=3)"]), bias=False))
    layer.W.value[...] = 0.3 * centres
    W = learn(layer, [x] * 100, 0.5)
    assert np.allclose(W, x.reshape(3, 20, 6).mean(axis=1), atol=1e-3)


def test_hebb_moves_no_further_than_its_rate() -> None:
    for case in CASES.values():
        t = told(case, "hebbian(rate=0.3)")
        for grad in lanes_of(case, t.layer.W.grad):
            norms = np.linalg.norm(grad.reshape(case.groups, -1), axis=1)
            assert 0 < norms.max() <= 0.3 + 1e-12


# A rule that breaks its contract


class Broken(Rule):
    name, reads, bits = "broken", ("x", "delta"), 0.0

    def __init__(self, fault: str) -> None:
        self.fault = fault

    def feedback_weights(self, W: Array, state: Any) -> Array:
        if self.fault == "B":
            return W[:1]
        if self.fault == "W in place":
            W *= 0.5
        return W

    def update(self, maps: Maps, s: Signals) -> Array:
        if self.fault == "x in place":
            s.x[0] = 0.0
        if self.fault == "delta in place":
            s.delta[...] += 1
        dW: Array = -maps.outer(s.delta, s.x)
        return {"dW": dW[:, :1], "nan": dW * np.nan, "none": None}.get(self.fault, dW)  # type: ignore[return-value]


BREAKING = {
    "B": r"`feedback_weights` gives \(1, .*expected \(4",
    "W in place": "`feedback_weights` changes W in place",
    "x in place": "`update` changes x in place",
    "delta in place": "`update` changes delta in place",
    "dW": r"`update` gives \(4, 1.*expected \(4, 3",
    "nan": "`update` gives NaN or infinity",
    "none": "`update` gives NoneType",
}


@pytest.mark.parametrize("blended", [False, True])
@pytest.mark.parametrize("fault", BREAKING)
def test_a_broken_rule_is_caught_with_layer_rule_and_cure(fault: str, blended: bool) -> None:
    broken = Broken(fault)
    layer = Conv(3, 4, 3, [Blend([broken, make_rule("usf")]) if blended else broken])
    prepare(layer)
    layer.name = "cell0.conv"
    layer.attach(Key(1))
    with pytest.raises(UsageError, match=f'rule "broken.*{BREAKING[fault]}') as caught:
        one_pass(CASES["dense_3"], layer)
    assert '"cell0.conv"' in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_sound_rule_of_that_kind_passes_and_signals_that_diverged_are_not_its_fault() -> None:
    case = CASES["dense_3"]
    t = one_pass(case, prepare(case.build([Broken("")])))
    assert close(-t.layer.W.grad, -outer(case, t.delta[0], t.x[0], t.layer.W.shape))
    layer = prepare(case.build([Broken("")]))
    step = Step(Key(0))
    y = layer.forward(case.x(), step)
    layer.backward(y * np.nan, step)
    assert np.isnan(layer.W.grad).all()


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
