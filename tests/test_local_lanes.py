"""Local rules beside others: lanes, blends, and the products that they share."""

import numpy as np
import pytest
from bionas_cupy.engine.lanes import Blend
from bionas_cupy.engine.random import Key
from bionas_cupy.engine.registry import make_rules
from bionas_cupy.engine.rule import Maps, Rule, Signals
from bionas_cupy.engine.step import Step
from bionas_cupy.layers.linear import Linear
from synapse_cases import (
    CASES,
    Array,
    Case,
    N,
    close,
    one_pass,
    patches_of,
    prepare,
)


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
