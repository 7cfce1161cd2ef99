"""The output layer of Inoue, Röhrbein & Knoblauch: its update against a loop over patches and synapses."""

from typing import Any

import numpy as np
import pytest
from bionas_cupy.engine.errors import UsageError
from bionas_cupy.engine.loss import sample_losses
from bionas_cupy.engine.procedures.perturbed import answers, linear_answers
from bionas_cupy.engine.random import Key, normal
from bionas_cupy.engine.registry import make_rule
from bionas_cupy.engine.step import Step
from bionas_cupy.layers.linear import Linear
from synapse_cases import (
    ON_EVERY_CASE,
    Array,
    Case,
    N,
    close,
    competition,
    dense,
    lanes_of,
    patches_of,
    prepare,
)

SPEC = "inoue_output(probes=3;alpha=0.3;beta=2;rate=0.5)"
UPDATE = 4


def hebb(W: Array, patches: list[Array], alpha: float) -> Array:
    """Eq. 2 of one group: Δw_o = α ⟨a_o (x - Σ_{u≠o} a_u w_u)⟩."""
    total = np.zeros_like(W)
    for x in patches:
        a = competition(W, x)
        for o in range(len(W)):
            total[o] += a[o] * (x - sum(a[u] * W[u] for u in range(len(W)) if u != o))
    return alpha * total / len(patches)


def noise_of(layer: Any, r: int, W: Array, k: int) -> Array:
    """ξ of probe k: nothing where a synapse is gone."""
    xi = normal(layer.states[r].key.to("noise/inoue_output", UPDATE, k), W.shape, 1.0, np.float64)
    return np.where(W == 0, 0, xi)


@ON_EVERY_CASE
def test_update_is_the_papers(case: Case) -> None:
    """For the loss L_n = ⟨c_n, y_n⟩, whose answer to any noise can be written down."""
    layer = prepare(case.build([make_rule(SPEC) for _ in range(case.lanes)]))
    layer.W.value[abs(layer.W.value) < 0.2 * layer.s] = 0
    y = layer.forward(case.x(), Step(Key(0)))
    c, rule = np.random.default_rng(8).normal(size=y.shape), layer.rules[0]

    def losses(step: Step) -> Array:
        total: Array = (c * layer.forward(case.x(), step)).reshape(N, -1).sum(axis=1)
        return total

    step = Step(Key(5, "step"), UPDATE)
    step.dloss = answers(3, losses, step)
    layer.forward(case.x(), step)
    layer.backward(0 * y, step)
    xs, cs = case.flat(case.x()), case.flat(c)
    Ws = lanes_of(case, layer.W.value)
    x_of = [xs[0 if case.shared else r] for r in range(case.lanes)]
    noises = [[noise_of(layer, r, W, k) for k in range(3)] for r, W in enumerate(Ws)]
    answered = np.zeros(3)  # of the mean loss, to the noise of all lanes
    for k, r, n in np.ndindex(3, case.lanes, N):
        answered[k] += rule.sigma * cs[r][n] @ (dense(case, noises[r][k]) @ x_of[r][n]) / N
    units = case.outputs // case.groups
    for r, grad in enumerate(lanes_of(case, layer.W.grad)):
        flat = Ws[r].reshape(case.groups, units, -1)
        expected = [hebb(w, p, 0.3) for w, p in zip(flat, patches_of(case, x_of[r]), strict=True)]
        slope = sum(answered[k] / rule.sigma * noises[r][k] for k in range(3))
        assert close(-grad, 0.5 * (np.array(expected).reshape(slope.shape) - 2 / 3 * slope), 1e-10)


def built(spec: str, gone: float = 0.0) -> tuple[Linear, Array, Array]:
    rng = np.random.default_rng(0)
    layer = prepare(Linear(6, 4, [make_rule(spec)]))
    layer.W.value[rng.random((4, 6)) < gone] = 0
    return layer, rng.normal(size=(9, 6)), rng.integers(0, 4, 9)


def test_a_synapse_that_is_gone_hears_of_no_noise() -> None:
    layer, x, labels = built("inoue_output(alpha=0)", 0.5)
    step = Step(Key(5), UPDATE)
    step.dloss = answers(1, lambda s: sample_losses(layer.forward(x, s), labels), step)
    y = layer.forward(x, step)
    layer.backward(0 * y, step)
    assert np.array_equal(layer.W.grad == 0, layer.W.value == 0)


@pytest.mark.parametrize("spec", ["inoue_output(probes=3)", "wp(probes=2)"])
def test_one_product_answers_for_all_probes(spec: str) -> None:
    layer, x, labels = built(spec, 0.3)
    step, rule = Step(Key(5), UPDATE), layer.rules[0]
    expected = answers(int(rule.probes), lambda s: sample_losses(layer.forward(x, s), labels), step)
    y = layer.forward(x, Step(Key(5)))
    layer.states[0].update = UPDATE
    lane = layer.maps(x), x, layer.W.value, layer.states[0]
    assert close(linear_answers(rule, *lane, lambda m: sample_losses(y + m, labels)), expected, 1e-10)


def test_the_mean_of_what_noise_teaches_is_beta_times_the_gradient() -> None:
    layer, x, labels = built("inoue_output(alpha=0;beta=2;probes=60;sigma=0.001)")
    y = layer.forward(x, Step(Key(5)))
    p = np.exp(y) / np.exp(y).sum(axis=1, keepdims=True)
    gradient = (p - np.eye(4)[labels]).T @ x / 9
    found = []
    for update in range(30):
        step = Step(Key(5), update)
        layer.W.grad.fill(0)
        step.dloss = answers(60, lambda s: sample_losses(layer.forward(x, s), labels), step)
        layer.forward(x, step)
        layer.backward(0 * y, step)
        found.append(layer.W.grad / 2)
    error = np.std(found, axis=0, ddof=1) / np.sqrt(len(found))
    assert (abs(np.mean(found, axis=0) - gradient) < 3.5 * error).all()
    assert np.linalg.norm(4 * error) < np.linalg.norm(gradient)  # else the test could not fail


def test_malformed_specification() -> None:
    for spec in ("inoue_output(alpha=-1)", "inoue_output(beta=-1)"):
        with pytest.raises(UsageError, match="0 or more of both"):
            make_rule(spec)
    with pytest.raises(UsageError, match="whole number of probes"):
        make_rule("inoue_output(probes=0)")
