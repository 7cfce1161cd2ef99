"""The probe: which passes and layers it sees, what is recorded, and that it changes nothing."""

import h5py
import numpy as np
import pytest
from bionas_cupy.engine.backend import pack, unpack
from bionas_cupy.engine.checkpoint import digest
from bionas_cupy.engine.errors import UsageError
from bionas_cupy.engine.loss import cross_entropy
from bionas_cupy.engine.probe import descend, probe
from bionas_cupy.engine.random import Key
from bionas_cupy.engine.rules.sign_concordant import UniformSignFeedback
from bionas_cupy.engine.run_folder import RunFolder
from bionas_cupy.engine.step import Step
from bionas_cupy.layers import conv_norm, resnet
from bionas_cupy.layers.halves import Halves
from bionas_cupy.layers.lenet import LeNet
from bionas_cupy.layers.model import Model
from bionas_cupy.layers.named import RulesByName
from bionas_cupy.layers.norm import Normalise
from bionas_cupy.layers.resnet import ResNet
from bionas_cupy.search.training import logits_of
from layer_builders import genotype_network

import bionas_cupy as bn

EVERYTHING = ["x", "y", "delta", "below", "dW", "W", "B", "top", "delta_exact", "below_exact", "dW_exact"]
TRAIN = {"epochs": 1, "batch": 48, "data": {"subset": 192}}
SEARCH = {
    "images_per_epoch": 96,
    "epochs": 1,
    "size": {"channels": 2, "cells": 2, "nodes": 1},
    "optimiser": {"lr": 0.01},
}
OWN = {"space": {"operations": ["sep_conv_3x3", "skip_connect"], "rules": ["usf", "dfa"]}}


def model_of(network, dtype=np.float64):
    return Model(network, Normalise((0.5,), (0.3,)), Key(1), dtype)


def passed(model, step, count=6):
    """One pass on random images."""
    random = np.random.default_rng(0)
    images, labels = random.random((count, 1, 8, 8)), random.integers(0, 10, count)
    logits = model.network.forward(model.images(images), step)
    loss, error = cross_entropy(logits, labels)
    step.top = error
    descend(model.network.backward, error, step)
    return loss


def ended(path):
    return digest(*RunFolder(path).load())


@pytest.mark.parametrize(
    ("job", "settings"),
    [
        ("train", {"model": "lenet", "rule": "brsf"} | TRAIN),
        ("train", {"model": "resnet20", "rule": "fa"} | TRAIN | {"data": {"subset": 96}}),
        ("search", OWN),
        ("search", OWN | {"architecture": {"gradient": "lookahead", "warmup": 0.0}}),
        ("search", {"space": {"rules": ["bp"]}, "architecture": {"gradient": "second", "warmup": 0.0}}),
    ],
)
def test_an_open_probe_changes_no_bit(tmp_path, job, settings):
    settings = settings if job == "train" else settings | SEARCH
    if settings.get("architecture", {}).get("gradient") == "lookahead":
        settings["space"] = {**settings["space"], "weights": "shared"}
    run = bn.run_train if job == "train" else bn.run_search
    silent = run(tmp_path / "silent", **settings)
    with bn.probe(*EVERYTHING, passes=["weights", "architecture", "virtual"]) as p:
        probed = run(tmp_path / "probed", **settings)
    assert probed == silent
    assert ended(tmp_path / "probed") == ended(tmp_path / "silent")
    assert any(label == "below_exact" for _, label, *_ in p.records)


def test_exact_signals_are_those_of_a_network_that_learns_by_bp():
    """For the same weights; of every layer, through residual sums that add to errors in place."""
    found = []
    for rule in "fa", "bp":
        model = model_of(ResNet(1, 10, RulesByName({"*": rule}), 8))
        with probe("delta", "below", "dW", "delta_exact", "below_exact", "dW_exact") as p:
            passed(model, Step(model.key))
        found.append({(layer, label): value[0][1] for (layer, label), value in p.records.items()})
    fa, bp = found
    assert fa.keys() == bp.keys()
    for (layer, label), value in fa.items():
        if label.endswith("_exact"):
            told = bp[layer, label.removesuffix("_exact")]
            assert np.array_equal(value, told), (layer, label)
            assert np.array_equal(value, bp[layer, label]), (layer, label)
    assert not np.allclose(fa["stem", "delta"], fa["stem", "delta_exact"])


def test_only_the_weights_pass_is_recorded_unless_others_are_asked_for(tmp_path):
    alpha = {"architecture": {"warmup": 0.0}}
    with bn.probe("delta", layers="classifier") as p, bn.probe("delta", passes="architecture") as q:
        bn.run_search(tmp_path / "first", **OWN, **SEARCH, **alpha)
    assert [update for update, _ in p["classifier", "delta"]] == [0, 1, 2]
    assert {len(key) for key in q.records} == {3}
    assert [update for update, _ in q["classifier", "delta", "architecture"]] == [0, 1, 2]


def test_virtual_steps_are_apart(tmp_path):
    settings = {
        **SEARCH,
        "space": {"operations": ["sep_conv_3x3"], "rules": ["fa", "bp"], "weights": "shared"},
    }
    with bn.probe("dW", layers="classifier", passes=["weights", "virtual"]) as p:
        bn.run_search(tmp_path / "run", **settings, architecture={"gradient": "lookahead", "warmup": 0.0})
    assert len(p["classifier", "dW"]) == 3
    assert len(p["classifier", "dW", "virtual"]) == 6  # a training and a validation pass each


@pytest.mark.parametrize("kind", ["lenet", "resnet", "genotype"])
def test_an_evaluation_has_inputs_outputs_and_weights(monkeypatch, kind):
    """Of fused layers as of those that go one by one; the answer stays the same, bit for bit."""
    network = {
        "lenet": lambda: LeNet(1, (8, 8), 10, RulesByName({"*": "usf"})),
        "resnet": lambda: ResNet(1, 10, RulesByName({"*": "usf"}), 8),
        "genotype": lambda: genotype_network(UniformSignFeedback),
    }[kind]()
    channels = 2 if kind == "genotype" else 1
    norm = Normalise((0.5,) * channels, (0.3,) * channels)
    model = Model(network, norm, Key(1), np.float64)
    images = np.random.default_rng(0).random((3, channels, 8, 8))
    silent = logits_of(model, images)
    with probe(*EVERYTHING, passes="evaluation") as p, probe("x", "dW") as q:
        assert np.array_equal(logits_of(model, images), silent)
    assert not q.records
    assert {label for _, label, _ in p.records} == {"x", "y", "W"}
    names = {synapse.name for synapse in model.synapses}
    assert {layer for layer, *_ in p.records} == {name for name in names if not name.startswith("auxiliary")}
    monkeypatch.setattr(conv_norm, "fuses", lambda *_: False)
    monkeypatch.setattr(resnet.conv_norm, "fuses", lambda *_: False)
    monkeypatch.setattr(Halves, "fuses", lambda *_: False)
    with probe("x", "y", "W", passes="evaluation") as apart:
        logits_of(model, images)
    assert apart.records.keys() == p.records.keys()
    for key, values in apart.records.items():
        assert len(p[key]) == len(values) == 1
        assert np.allclose(p[key][0][1], values[0][1], rtol=1e-9, atol=1e-12), key
    assert np.allclose(p["classifier", "y", "evaluation"][0][1].reshape(silent.shape), silent)


def test_what_a_closed_probe_or_another_layer_would_have_seen():
    model = model_of(LeNet(1, (8, 8), 10, RulesByName({"*": "usf"})))
    with probe("delta", layers=["conv1"], every=2) as p:
        for update in range(3):
            passed(model, Step(model.key, update))
    passed(model, Step(model.key, 4))
    assert list(p.records) == [("conv1", "delta")]
    assert [update for update, _ in p["conv1", "delta"]] == [0, 2]
    with pytest.raises(UsageError, match=r"nothing recorded for .* Recorded: .'conv1', 'delta'.\.$"):
        p["conv0", "delta"]
    assert repr(p) == "Probe(2 updates, 1 layers, 1 signals)"


def test_functions_of_layer_and_signals():
    def norms(layer, told):
        if told["below"] is None:
            return None
        return {"sent": np.linalg.norm(told["below"]), "rule": str(layer.rules[0])}

    model = model_of(LeNet(1, (8, 8), 10, RulesByName({"*": "usf"})))
    with probe(norms, "below") as p:
        passed(model, Step(model.key))
    assert p["conv1", "rule"] == [(0, "usf")]
    assert p["conv1", "sent"][0][1] == np.linalg.norm(p["conv1", "below"][0][1])
    assert ("conv0", "sent") not in p.records  # the layer on the data sends nothing


def test_records_are_copies():
    model = model_of(LeNet(1, (8, 8), 10, RulesByName({"*": "bp"})))
    with probe("W", "B") as p:
        passed(model, Step(model.key))
    before = p["conv1", "W"][0][1].copy()
    model.arena.value[...] = 0
    assert np.array_equal(p["conv1", "W"][0][1], before)
    assert np.array_equal(p["conv1", "B"][0][1], before)


def test_an_exact_pass_leaves_the_gradients_alone():
    model = model_of(LeNet(1, (8, 8), 10, RulesByName({"*": "fa"})))
    model.arena.grad[...] = 0
    passed(model, Step(model.key))
    expected = model.arena.grad.copy()
    model.arena.grad[...] = 0
    with probe("dW_exact"):
        step = Step(model.key)
        passed(model, step)
    assert np.array_equal(model.arena.grad, expected)
    assert not step.tape


def test_records_as_table_file_and_picture(tmp_path):
    model = model_of(LeNet(1, (8, 8), 10, RulesByName({"*": "usf"})))
    with probe("below", lambda layer, told: {"size": told["x"].size, "rule": "usf"}, layers="c*") as p:
        for update in range(2):
            passed(model, Step(model.key, update))
    first = next(each for each in p.table() if (each["layer"], each["signal"]) == ("conv1", "below"))
    sent = p["conv1", "below"][1][1]
    assert first["last"] == pytest.approx(np.linalg.norm(sent))
    assert (first["records"], first["shape"], first["last_update"]) == (2, (6, 1, 20, 4, 4), 1)
    assert "<td>conv1</td><td>below</td>" in p._repr_html_()
    p.to_hdf5(tmp_path / "signals.h5")
    with h5py.File(tmp_path / "signals.h5") as file:
        assert np.array_equal(file["conv1/below/values"][1], sent)
        assert file["conv1/below/updates"][()].tolist() == [0, 1]
        assert file["classifier/size/values"].shape == (2,)
        assert "rule" not in file["classifier"]  # no number
    assert np.array_equal(np.from_dlpack(sent), sent)
    pytest.importorskip("matplotlib")
    drawn = {axes.get_title(): len(axes.lines) for axes in p.plot().axes}
    assert drawn == {"‖below‖": 2, "size": 3}  # conv0 sends nothing
    with probe("below") as nothing, pytest.raises(UsageError, match="nothing was recorded"):
        nothing.plot()


def test_wrong_questions():
    with pytest.raises(UsageError, match='Did you mean "delta"'), probe("detla"):
        pass
    with pytest.raises(UsageError, match='pass "weight" is unknown'), probe("x", passes=["weight"]):
        pass
    with pytest.raises(UsageError, match="every is 0"), probe("x", every=0):
        pass


def test_one_transfer_brings_arrays_of_any_type():
    arrays = [
        np.arange(6.0).reshape(2, 3),
        np.array(3, np.int32),
        np.zeros((0, 2), np.float32),
        np.eye(3).T[::2],
    ]
    for array, again in zip(arrays, unpack(pack(arrays), arrays), strict=True):
        assert array.dtype == again.dtype
        assert np.array_equal(array, again)
