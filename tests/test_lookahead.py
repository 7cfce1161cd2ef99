"""Gradients that look one step ahead, against central differences of L_val(w - η·g(α)) in float64."""

import numpy as np
import pytest
from bionas_cupy.engine.loss import cross_entropy
from bionas_cupy.engine.random import Key
from bionas_cupy.engine.registry import make_rule
from bionas_cupy.layers.model import Model
from bionas_cupy.layers.norm import Normalise
from bionas_cupy.layers.supernet import Supernet
from bionas_cupy.search.architecture import Architecture
from bionas_cupy.search.lookahead import Ahead
from bionas_cupy.search.passes import Batch, mixed_pass
from bionas_cupy.search.space import candidates

ETA, UPDATE = 0.1, 3


def ahead(rules, shared, operations=("none", "avg_pool_3x3", "skip_connect", "sep_conv_3x3", "dil_conv_3x3")):
    architecture = Architecture(candidates(operations, rules), 2, Key(0), make_rule("bp"), shared)
    architecture.alpha += 0.3 * np.random.default_rng(1).normal(size=architecture.alpha.shape)
    supernet = Supernet(1, 4, architecture.lanes_of_edge, channels=4, cells=3, nodes=2)
    model = Model(supernet, Normalise([0.5], [0.3]), Key(0), np.float64)
    return Ahead(model, supernet, architecture)


def batches():
    rng = np.random.default_rng(0)
    return [Batch(rng.random((6, 1, 7, 7)), rng.integers(0, 4, 6)) for _ in range(2)]


def value_ahead(a, train, val, q, step_of):
    """L_val at the weights that one step on the training batch leads to."""
    w = a.model.arena.value
    saved = w.copy()
    mixed_pass(a.model, a.supernet, train, q, a.step(UPDATE, learn=True))
    w -= step_of(a.model.arena.grad, saved)
    logits = a.supernet.forward_mixed(a.model.images(val.images), q, a.step(UPDATE, learn=False))
    w[...] = saved
    return float(cross_entropy(logits, val.labels)[0])


@pytest.mark.parametrize(
    "rules",
    [
        ("fa", "usf", "brsf", "bp"),
        ("dfa", "frsf", "fa"),
        ("qsf2", "power(p=0.25)"),
        ("usf", "oja", "dfa"),
        ("hebbian(sends=feedback)", "bp", "oja"),
    ],
)
def test_lookahead_over_rules(rules):
    """Moving p from rule r to rule s of a blend changes L_val(w - η g) as the tangent sweep says."""
    a = ahead(rules, shared=True)
    train, val = batches()
    q = a.architecture.lane_weights()
    swept = a.step(UPDATE, learn=True, keep_tape=True)
    w, saved = a.model.arena.value, a.model.arena.value.copy()
    mixed_pass(a.model, a.supernet, train, q, swept)
    w -= ETA * a.model.arena.grad
    mixed_pass(a.model, a.supernet, val, q, a.step(UPDATE, learn=True, exact=True))
    w[...] = saved
    swept.direction = {p: p.grad.copy() for p in a.model.arena.parameters}
    a.supernet.tangent_mixed(swept)
    found = a._rule_gradients(swept, ETA)

    expected, told = [], []
    h = 1e-6
    for blend in list(found)[::3]:
        before = list(blend.weights)
        for r in range(1, len(rules)):
            ahead_of = []
            for sign in (1, -1):
                blend.weights = list(before)
                blend.weights[r] += sign * h
                blend.weights[0] -= sign * h
                ahead_of.append(value_ahead(a, train, val, q, lambda g, _: ETA * g))
            blend.weights = before
            expected.append((ahead_of[0] - ahead_of[1]) / (2 * h))
            told.append(found[blend][r] - found[blend][0])
    assert np.linalg.norm(expected) > 1e-4
    assert np.linalg.norm(np.subtract(told, expected)) <= 1e-6 * np.linalg.norm(expected)


def test_lookahead_restores_the_weights_and_adds_the_operations_term():
    a = ahead(("fa", "usf"), shared=True)
    train, val = batches()
    before = a.model.arena.value.copy()
    told, gradient = a.lookahead(
        train, val, UPDATE, 0.0
    )  # no step: only the first-order term of the operations
    assert np.array_equal(a.model.arena.value, before)
    exact = mixed_pass(
        a.model, a.supernet, val, a.architecture.lane_weights(), a.step(UPDATE, learn=True, exact=True)
    )
    np.testing.assert_allclose(gradient, a.architecture.gradient(exact.dq), atol=1e-12)
    assert float(told.loss) == float(exact.loss)


def test_second_order_is_the_total_derivative_of_the_step_ahead():
    """All of dL_val(w - η(μ m + g(α) + wd·w))/dα, for BP: DARTS' difference quotient as R → 0."""
    a = ahead(("bp",), shared=False)
    train, val = batches()
    momentum = 0.01 * np.random.default_rng(5).normal(size=a.model.arena.value.shape)
    before = a.model.arena.value.copy()
    _, gradient = a.second(train, val, UPDATE, ETA, momentum, 0.9, 3e-4, reach=1e-6)
    assert np.array_equal(a.model.arena.value, before)
    _, first = a.first(val, UPDATE)

    def ahead_of():
        q = a.architecture.lane_weights()
        return value_ahead(a, train, val, q, lambda g, w: ETA * (0.9 * momentum + g + 3e-4 * w))

    alpha, rng, h = a.architecture.alpha, np.random.default_rng(2), 1e-7
    error, implicit = [], []
    for _ in range(4):
        direction = rng.normal(size=alpha.shape)
        change = 0.0
        for sign in (1, -1):
            alpha += sign * h * direction
            change += sign * ahead_of() / (2 * h)
            alpha -= sign * h * direction
        error.append((gradient * direction).sum() - change)
        implicit.append((first * direction).sum() - change)
    assert np.linalg.norm(error) < 1e-6 * np.linalg.norm(
        implicit
    )  # what the first order misses, this catches
