"""Trainings in stages: what each stage does to which weights, and that any of them can stop and go on."""

import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bionas_cupy.data.digits import read_digits
from bionas_cupy.engine.backend import cpu
from bionas_cupy.engine.checkpoint import digest
from bionas_cupy.engine.errors import OutputError, StoppedError, UsageError
from bionas_cupy.engine.parameter import fans
from bionas_cupy.engine.random import Key
from bionas_cupy.engine.registry import make_rule
from bionas_cupy.engine.run_folder import RunFolder
from bionas_cupy.engine.step import Step
from bionas_cupy.engine.stopping import Stopping
from bionas_cupy.layers.mlp import MLP
from bionas_cupy.layers.model import Model
from bionas_cupy.layers.norm import Normalise
from bionas_cupy.layers.softhebb import SoftHebbNetwork
from bionas_cupy.search.config import TrainConfig
from bionas_cupy.search.evaluate import evaluate_run
from bionas_cupy.search.features import Features
from bionas_cupy.search.known import train_config
from bionas_cupy.search.staged import StagedTraining
from bionas_cupy.search.train_run import run_train, start

Array = np.ndarray[Any, Any]


def configured(**more: Any) -> TrainConfig:
    tree = {
        "model": "mlp",
        "hidden": [12, 10],
        "rules_per_layer": {"hidden0": "krotov_hopfield", "hidden1": "oja+nonneg"},
        "stages": "layerwise",
        "epochs": 1,
        "batch": 60,
        "data": {"subset": 120},
        "readout": {"epochs": 2, "batch": 40, "optimiser": {"kind": "adam", "lr": 0.01}},
    }
    return train_config(tree | more)


def made(config: TrainConfig, folder: Path) -> StagedTraining:
    images = read_digits().train.subset(120, Key(0))
    return StagedTraining(config, images, cpu(), folder)


def weights(job: StagedTraining) -> dict[str, Array]:
    return {s.name: s.W.value.copy() for s in job.model.synapses}


def run(job: StagedTraining, epoch: int) -> set[str]:
    """One epoch; the layers whose weights it changed."""
    before = weights(job)
    job.begin(epoch)
    for index in range(job.steps):
        job.step(epoch, index)
    return {name for name, W in weights(job).items() if not np.array_equal(W, before[name])}


def test_each_stage_changes_its_own_layers(tmp_path: Path) -> None:
    job = made(configured(), tmp_path)
    assert [stage.kind for stage in job.plan] == ["learn", "features"] * 2 + ["read-out"] * 2
    changed = [run(job, epoch) for epoch in range(job.epochs)]
    assert changed == [{"hidden0"}, set(), {"hidden1"}, set(), {"classifier"}, {"classifier"}]
    assert job.steps_before(job.epochs) == 2 + 2 + 2 + 2 + 3 + 3
    assert (weights(job)["hidden1"] >= 0).all()
    together = made(configured(stages="two"), tmp_path)
    assert run(together, 0) == {"hidden0", "hidden1"}


def test_features_are_what_the_network_answers_in_evaluation(tmp_path: Path) -> None:
    """Kept ones, and those that are made again because their file is gone."""
    job = made(configured(), tmp_path)
    for epoch in range(4):
        run(job, epoch)
    step = Step(Key(0), training=False)
    x = job.model.images(job.images.images / 255)
    for part in job.parts:
        x = part.layers.forward(x, step)
    rows = np.array([5, 0, 119])
    np.testing.assert_allclose(job.features[1].read(rows), x[rows], rtol=1e-5, atol=1e-6)
    for features in job.features:
        features.remove()
    job.begin(4)
    np.testing.assert_allclose(job.features[1].read(rows), x[rows], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("steps", [1, 3, 5, 7, 9, 12])
def test_a_stage_stops_and_goes_on_to_the_same_bits(steps: int, tmp_path: Path) -> None:
    config = configured()
    with start(config, tmp_path / "whole") as folder:
        whole = run_train(config, folder, Stopping(), lambda _: None)
        expected = digest(*folder.load())
    stopping = Stopping()

    def report(moment: Any) -> None:
        if moment.step >= steps:
            stopping.requested = signal.SIGINT

    with start(config, tmp_path / "run") as folder, pytest.raises(StoppedError):
        run_train(config, folder, stopping, report)
    with RunFolder.open_for_resume(tmp_path / "run") as folder:
        assert run_train(config, folder, Stopping(), lambda _: None) == whole
        assert digest(*folder.load()) == expected
    assert not list((tmp_path / "run").glob("features*"))
    assert evaluate_run(tmp_path / "run", device="cpu")["test_accuracy"] == whole["test_accuracy"]
    kinds = [
        json.loads(line)["score"]["stage"]
        for line in (tmp_path / "run/journal.jsonl").read_text().splitlines()
    ]
    assert kinds == ["learn", "features"] * 2 + ["read-out"] * 2


def test_learning_in_the_forward_pass_is_learning_without_an_error() -> None:
    """Bit for bit what a backward pass with δ = 0 makes of the same rules, homeostasis included."""
    rules = {"hidden0": "softhebb", "hidden1": "oja+homeostasis", "classifier": "bp"}
    found = []
    for at_once in (True, False):
        network = MLP(9, 3, lambda name: make_rule(rules[name]), (7, 5))
        model = Model(network, Normalise([0.0], [1.0]), Key(1), np.float64)
        x = np.random.default_rng(0).standard_normal((6, 1, 1, 3, 3))
        step = Step(Key(0), forward_only=at_once)
        y = network.forward(x, step)
        assert bool(step.tape) is not at_once
        if not at_once:
            network.backward(0 * y, step)
        hidden = [s for s in model.synapses if s.name != "classifier"]
        found.append([s.W.grad.copy() for s in hidden] + [s.b.grad.copy() for s in hidden])  # type: ignore[attr-defined]
    for one, other in zip(*found, strict=True):
        assert np.array_equal(one, other)
        assert one.any() or one.shape == (7,)


def naive_layer(W: Array, x: Array, k: int, t: float, rate: float) -> tuple[Array, Array]:
    """(ΔW, u) of one SoftHebb convolution on x (N, C, H, W), patch by patch and unit by unit, from the paper."""
    p = k // 2
    mirrored = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)), mode="reflect")
    (N, _, H, width), units = x.shape, len(W)
    u, dW = np.zeros((N, units, H, width)), np.zeros_like(W)
    for n, i, j in np.ndindex(N, H, width):
        patch = mirrored[n, :, i : i + k, j : j + k]
        currents = np.array([(w * patch).sum() for w in W])
        shares = np.exp(t * (currents - currents.max())) / np.exp(t * (currents - currents.max())).sum()
        for o in range(units):
            y = shares[o] if o == currents.argmax() else -shares[o]
            dW[o] += y * (patch - currents[o] * W[o])
        u[n, :, i, j] = currents
    dW /= abs(dW).max()
    lengths = np.sqrt((W**2).sum(axis=(1, 2, 3), keepdims=True))
    return rate * abs(lengths - 1) ** 0.5 * dW, u


def test_softhebb_network_patch_by_patch() -> None:
    """One unsupervised step of the whole network: norms, mirrored borders, Triangle, pools and the three updates."""
    given = {"conv0": (5, 1.0, 0.08, 0.7), "conv1": (3, 0.65, 0.005, 1.4), "conv2": (3, 0.25, 0.01, 1.0)}
    specs = {name: f"softhebb(t={t};rate={rate})" for name, (_, t, rate, _) in given.items()}
    network = SoftHebbNetwork(2, (16, 16), 3, lambda name: make_rule(specs.get(name, "bp")), width=1 / 24)
    model = Model(network, Normalise([0.0] * 2, [1.0] * 2), Key(2), np.float64)
    images = np.random.default_rng(3).uniform(size=(2, 1, 2, 16, 16))
    network.forward(images, Step(Key(0), forward_only=True))
    x = images[:, 0]
    for synapse, (name, (k, t, rate, power)) in zip(model.synapses[:3], given.items(), strict=True):
        x = (x - x.mean((0, 2, 3), keepdims=True)) / np.sqrt(x.var((0, 2, 3), keepdims=True) + 1e-5)
        expected, u = naive_layer(synapse.W.value, x, k, t, rate)
        assert synapse.name == name
        error = np.linalg.norm(-synapse.W.grad - expected) / np.linalg.norm(expected)
        assert error < 1e-10
        r = np.maximum(u - u.mean(1, keepdims=True), 0) ** power
        if name == "conv2":
            break
        framed = np.pad(r, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
        half = r.shape[2] // 2
        x = np.array(
            [[[[c[2 * i : 2 * i + 4, 2 * j : 2 * j + 4].max() for j in range(half)] for i in range(half)]
              for c in image] for image in framed]
        )  # fmt: skip


def test_softhebb_weights_begin_long() -> None:
    network = SoftHebbNetwork(3, (16, 16), 10, lambda _: make_rule("bp"), width=1 / 4)
    model = Model(network, Normalise([0.0] * 3, [1.0] * 3), Key(2))
    for synapse in model.synapses[:3]:
        lengths = np.linalg.norm(synapse.W.value.reshape(len(synapse.W.value), -1), axis=1)
        assert lengths.mean() == pytest.approx(25, rel=0.03)
        assert synapse.s == pytest.approx(25 / fans(synapse.W.shape)[0] ** 0.5)


def test_known_networks_take_what_is_asked_for() -> None:
    plain = train_config({"model": "softhebb"})
    assert (plain.epochs, plain.readout.epochs, plain.stages) == (1, 50, "two")
    assert plain.rules_per_layer["conv1"] == "softhebb(t=0.65;rate=0.005)"
    other = train_config({"model": "softhebb", "rule": "hebbian", "readout": {"epochs": 3}})
    assert (other.rules_per_layer, other.readout.epochs, other.readout.batch) == ({}, 3, 64)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"rules_per_layer": {"hidden1": "usf"}, "rule": "oja"}, r'"usf" of layer "hidden1" hears'),
        ({"rules_per_layer": {}, "rule": "three_factor"}, r"three_factor.*hears"),
        ({"rules_per_layer": {}, "rule": "oja", "readout": {"rule": "oja"}}, "hears of no label"),
        ({"model": "krotov-hopfield", "rules_per_layer": {"hidden0": "oja"}}, "expected one layer"),
    ],
)
def test_what_cannot_be_is_refused(more: dict[str, Any], told: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=told):
        made(configured(**more), tmp_path)


def test_features_that_find_no_room_say_so(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"features0\.npy"):
        Features(tmp_path / "features0.npy", (1 << 40, 1 << 10)).write(0, np.zeros((1, 1 << 10), np.float32))
