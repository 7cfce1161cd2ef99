"""What local rules converge to: principal components, unit lengths, clusters."""

from typing import Any

import numpy as np
import pytest
from bionas_cupy.engine.random import Key
from bionas_cupy.engine.registry import make_rule, make_rules
from bionas_cupy.engine.step import Step
from bionas_cupy.layers.conv import Conv
from bionas_cupy.layers.linear import Linear
from synapse_cases import (
    CASES,
    Array,
    lanes_of,
    prepare,
    told,
)


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
