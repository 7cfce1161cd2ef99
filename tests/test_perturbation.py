"""Rules that learn from noise: each update against its definition, its mean against the gradient, its variance."""

from typing import Any

import numpy as np
import pytest
from bionas_cupy.engine.backend import cpu
from bionas_cupy.engine.errors import UsageError
from bionas_cupy.engine.lanes import Blend
from bionas_cupy.engine.loss import cross_entropy, sample_losses
from bionas_cupy.engine.modulator import Modulator
from bionas_cupy.engine.procedures.perturbed import answers
from bionas_cupy.engine.random import Key, normal
from bionas_cupy.engine.registry import make_rule, make_rules
from bionas_cupy.engine.rule import Rule
from bionas_cupy.engine.step import Step
from bionas_cupy.layers.mlp import MLP
from bionas_cupy.layers.model import Model
from bionas_cupy.layers.norm import Normalise
from bionas_cupy.layers.synapse import Synapse
from bionas_cupy.search.broadcast import Broadcast
from synapse_cases import (
    ON_EVERY_CASE,
    Array,
    Case,
    N,
    close,
    dense,
    lanes_of,
    outer,
    prepare,
)

SPECS = ["wp(probes=3;rate=0.5)", "np(probes=3;rate=0.5)", "np(probes=2;batch=1)"]


def learn(case: Case, layer: Synapse, c: Array, update: int = 4, probes: int = 3) -> None:
    """One update at the loss L_n = ⟨c_n, y_n⟩, which is linear in the noise: no σ² is left."""
    x = case.x()

    def losses(step: Step) -> Array:
        y = layer.forward(x, step)
        total: Array = (c * y).reshape(N, -1).sum(axis=1)
        return total

    step = Step(Key(5, "step"), update)
    step.dloss = answers(probes, losses, step)
    y = layer.forward(x, step)
    layer.backward(0 * y, step)


def noise_of(layer: Synapse, r: int, rule: Rule, shape: tuple[int, ...], k: int) -> Array:
    key = layer.states[r].key.to(f"noise/{rule.name}", 4, k)
    return normal(key, shape, 1.0, np.float64)


@ON_EVERY_CASE
@pytest.mark.parametrize("spec", SPECS)
def test_update_is_the_papers(case: Case, spec: str) -> None:
    """Synapse by synapse and sample by sample, for a loss whose answer to any noise can be written down."""
    layer = prepare(case.build([make_rule(spec) for _ in range(case.lanes)]))
    rule: Any = layer.rules[0]
    y = layer.forward(case.x(), Step(Key(0)))
    c = np.random.default_rng(8).normal(size=y.shape)
    learn(case, layer, c)
    K = int(rule.probes)
    lanes = case.flat(c)
    xs = case.flat(case.x())
    answered = np.zeros((K, N))  # of every sample to the noise of all lanes
    shape = lanes_of(case, layer.W.value).shape[1:]
    noises = []
    for r in range(case.lanes):
        x = xs[0 if case.shared else r]
        own_shape = (
            shape
            if rule.name == "wp"
            else ((N, case.outputs, *y.shape[3:]) if case.kernel else (N, case.outputs))
        )
        xi = [noise_of(layer, r, rule, own_shape, k) for k in range(K)]
        noises.append(xi)
        for k, n in np.ndindex(K, N):
            moved = x[n] @ dense(case, xi[k]).T if rule.name == "wp" else xi[k][n].ravel()
            answered[k, n] += rule.sigma * lanes[r][n] @ moved
    for r, grad in enumerate(lanes_of(case, layer.W.grad)):
        x = xs[0 if case.shared else r]
        expected = np.zeros(shape)
        for k in range(K):
            if rule.name == "wp":
                expected -= noises[r][k] * answered[k].mean() / rule.sigma
                continue
            for n in range(N):
                heard = answered[k].sum() if rule.batch else answered[k, n]
                told = noises[r][k][n].reshape(1, -1) * heard / (rule.sigma * N)
                expected -= outer(case, told, x[n : n + 1], shape)
        assert close(-grad, rule.rate * expected / K)


class Net:
    """A small network with a smooth loss, all of it perturbed."""

    def __init__(self, spec: str) -> None:
        rng = np.random.default_rng(0)
        self.x, self.labels = rng.normal(size=(5, 1, 1, 2, 3)), rng.integers(0, 3, 5)
        self.network = MLP(6, 3, lambda _: make_rule(spec), [4])
        self.model = Model(self.network, Normalise([0.0], [1.0]), Key(1), np.float64)
        self.broadcast = Broadcast(self.model.synapses, "reward", cpu())

    def losses(self, step: Step) -> Array:
        return sample_losses(self.network.forward(self.x, step), self.labels)

    def grad(self, update: int, exact: bool = False) -> Array:
        self.model.arena.grad.fill(0)
        step = Step(Key(1, "step"), update, exact=exact)
        if not exact:
            self.broadcast.probe(self.losses, step)
        _, error = cross_entropy(self.network.forward(self.x, step), self.labels)
        self.network.backward(error, step)
        self.broadcast.learned()
        return np.concatenate([s.W.grad.ravel() for s in self.model.synapses])


@pytest.mark.parametrize("spec", ["wp(sigma=0.001)", "np(sigma=0.001)", "np(sigma=0.001;batch=1)"])
def test_the_mean_is_the_gradient_within_three_standard_errors(spec: str) -> None:
    net = Net(spec)
    gradient = net.grad(0, exact=True)
    found = np.array([net.grad(u) for u in range(600)])
    error = found.std(axis=0, ddof=1) / np.sqrt(len(found))
    deviations = (found.mean(axis=0) - gradient) / error
    assert (abs(deviations) < 3).mean() > 0.97  # 99.7 % of a normal distribution
    assert np.sqrt((deviations**2).mean()) < 1.25
    assert np.linalg.norm(error * 3) < np.linalg.norm(gradient)  # else the test could not fail


def test_the_variance_falls_as_one_over_k_and_is_what_is_recorded() -> None:
    spread, recorded = [], []
    for K in (2, 8):
        net = Net(f"wp(probes={K};sigma=0.001)")
        found = np.array([net.grad(u) for u in range(250)])
        spread.append(found.var(axis=0, ddof=1).sum())
        recorded.append(net.broadcast.score()["perturbation_variance"])
    assert spread[0] / spread[1] == pytest.approx(4, rel=0.15)
    assert np.allclose(recorded, spread, rtol=0.1)


def test_one_probe_says_nothing_of_its_variance() -> None:
    net = Net("wp")
    net.grad(0)
    assert net.broadcast.score() == {}


def test_a_silent_network_stays_as_it_was_and_draws_are_of_the_update() -> None:
    net = Net("wp")
    before = net.model.arena.value.copy()
    first = net.grad(3).copy()
    assert np.array_equal(net.model.arena.value, before)
    assert not np.array_equal(net.grad(4), first)
    assert np.array_equal(net.grad(3), first)


@pytest.mark.parametrize("shared", [False, True])
def test_beside_other_rules(shared: bool) -> None:
    """In lanes and in blends a perturbative rule learns as it does alone, from the same answers."""
    case = Case(4, 4, 3, lanes=1 if shared else 3)
    names = ["usf", "wp(probes=2)", "np(probes=3)"]
    layer = prepare(case.build([Blend(make_rules(names), [0.2, 0.3, 0.5])] if shared else make_rules(names)))
    y = layer.forward(case.x(), Step(Key(0)))
    heard: dict[str, Array] = {}
    c = np.random.default_rng(8).normal(size=y.shape)
    learn(case, layer, c)
    assert np.isfinite(layer.W.grad).all()
    if not shared:
        heard = dict(zip(names, layer.W.grad, strict=True))
        assert not heard["usf"].any()  # δ is 0 here
        assert heard["wp(probes=2)"].any()
        assert heard["np(probes=3)"].any()
        return
    for name, p in zip(names[1:], (0.3, 0.5), strict=True):
        alone = prepare(case.build([Blend(make_rules(names), [float(n == name) for n in names])]))
        alone.W.value[...], alone.states = layer.W.value, layer.states
        learn(case, alone, c)
        heard[name] = p * alone.W.grad
    assert close(layer.W.grad, sum(heard.values()), 1e-9)


def test_malformed_specification() -> None:
    for spec in ("wp(probes=0)", "wp(probes=1.5)", "np(sigma=0)", "wp(rate=0)"):
        with pytest.raises(UsageError, match="expected a whole number of probes"):
            make_rule(spec)


@pytest.mark.parametrize("kind", ["reward", "surprise"])
def test_modulator_is_what_differs_from_its_running_mean(kind: str) -> None:
    m, mean = Modulator(kind, cpu()), None
    rng = np.random.default_rng(0)
    for _ in range(20):
        loss, hits = np.asarray(rng.random()), np.asarray(rng.integers(0, 9))
        v = float(hits / 8 if kind == "reward" else loss)
        mean = v if mean is None else mean
        assert float(m(loss, hits, 8)) == pytest.approx(v - mean, abs=1e-12)
        mean += 0.1 * (v - mean)
