"""Runs that go on: with the genotype and the rules that they started with, and to the same bits."""

import json
import signal
import tomllib

import pytest
from bionas_cupy.engine.checkpoint import digest
from bionas_cupy.engine.errors import CheckpointError, StoppedError, UsageError
from bionas_cupy.engine.kernels import threads
from bionas_cupy.engine.run_folder import RunFolder
from bionas_cupy.engine.stopping import Stopping
from bionas_cupy.search.config import TrainConfig, build
from bionas_cupy.search.evaluate import evaluate_run
from bionas_cupy.search.networks import ImageShape, build_network, genotype_of, named_network, rules_of
from bionas_cupy.search.toml import to_toml
from bionas_cupy.search.train_run import run_train, start
from threadpoolctl import threadpool_limits

GENOTYPE = {
    "normal": [
        {"node": 2, "from": 0, "op": "sep_conv_3x3", "rule": "brsf"},
        {"node": 2, "from": 1, "op": "skip_connect", "rule": None},
    ],
    "reduce": [
        {"node": 2, "from": 0, "op": "max_pool_3x3", "rule": None},
        {"node": 2, "from": 1, "op": "dil_conv_3x3", "rule": "dfa"},
    ],
    "concat": [2],
}


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "genotype.json"
    path.write_text(json.dumps(GENOTYPE))
    tree = {
        "model": str(path),
        "epochs": 2,
        "batch": 32,
        "drop_path": 0.2,
        "data": {"subset": 96, "crop": 1, "cutout": 2},
        "size": {"channels": 4, "cells": 3},
    }
    return build(TrainConfig, [tree])


def stopped_after(steps, config, path):
    """A run that a signal stops after so many steps."""
    stopping = Stopping()

    def report(moment):
        if moment.step >= steps:
            stopping.requested = signal.SIGINT

    with start(config, path) as folder, pytest.raises(StoppedError) as caught:
        run_train(config, folder, stopping, report)
    assert caught.value.exit_code == 130


def finished(config, path):
    with RunFolder.open_for_resume(path) as folder:
        run_train(config, folder, Stopping(), lambda _: None)
        return digest(*folder.load())


@pytest.mark.parametrize("steps", [1, 3, 4])
def test_resumed_training_ends_in_the_same_bits(config, tmp_path, steps):
    with start(config, tmp_path / "whole") as folder:
        whole = run_train(config, folder, Stopping(), lambda _: None)
        expected = digest(*folder.load())
    stopped_after(steps, config, tmp_path / "stopped")
    (tmp_path / "genotype.json").unlink()  # the run has its own copy
    assert finished(config, tmp_path / "stopped") == expected
    assert json.loads((tmp_path / "stopped/result.json").read_text()) == whole
    again = evaluate_run(tmp_path / "stopped", device="cpu")
    assert again["test_accuracy"] == whole["test_accuracy"]


@pytest.mark.parametrize("modulator", ["reward", "surprise"])
def test_local_and_perturbative_rules_resume_to_the_same_bits(tmp_path, modulator):
    """Noise, the neuromodulator's mean and the recorded variance go on where they stopped."""
    rules = {
        "hidden0": "three_factor+nonneg+homeostasis",
        "hidden1": "wp(probes=2)+sparse",
        "classifier": "np",
    }
    tree = {"model": "mlp", "rules_per_layer": rules, "hidden": [20, 10], "epochs": 2, "batch": 32}
    config = build(TrainConfig, [tree | {"modulator": modulator, "data": {"subset": 96}}])
    with start(config, tmp_path / "whole") as folder:
        whole = run_train(config, folder, Stopping(), lambda _: None)
        expected = digest(*folder.load())
    stopped_after(2, config, tmp_path / "stopped")
    assert finished(config, tmp_path / "stopped") == expected
    assert whole["score"]["perturbation_variance"] > 0
    assert whole["transported_bits"] == 0
    assert json.loads((tmp_path / "stopped/result.json").read_text()) == whole
    assert evaluate_run(tmp_path / "stopped", device="cpu")["test_accuracy"] == whole["test_accuracy"]


def test_changed_rule_is_refused(config, tmp_path):
    stopped_after(1, config, tmp_path / "run")
    manifest = json.loads((tmp_path / "run/manifest.json").read_text())
    assert {"brsf", "dfa", "bp"} <= manifest["rule_digests"].keys()
    manifest["rule_digests"]["dfa"] = "0" * 64
    (tmp_path / "run/manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UsageError, match=r"Rules changed.*dfa"):
        finished(config, tmp_path / "run")


def test_a_section_that_sets_something_else_keeps_the_defaults_of_training():
    config = build(TrainConfig, [{"size": {"channels": 36}, "optimiser": {"weight_decay": 1e-4}}])
    assert (config.size.channels, config.size.cells, config.optimiser.lr) == (36, None, 0.025)


@pytest.mark.parametrize(
    ("patterns", "first"), [({"conv0": "bp", "*": "usf"}, "usf"), ({"*": "usf", "conv0": "bp"}, "bp")]
)
def test_the_last_pattern_counts_also_where_it_is_the_widest(patterns, first):
    config = build(TrainConfig, [{"model": "lenet", "rules_per_layer": patterns}])
    found = rules_of(named_network(config, ImageShape(1, 8, 8, 10)))
    assert found["conv0"] == [first]
    assert found["conv1"] == ["usf"]


@pytest.mark.parametrize("name", ['data of \U0001f600 "é"', "a\x7fb\nc\\d"])
def test_run_toml_takes_any_character(name):
    tree = {"data": {"dir": name}, "rules_per_layer": {"é": "bp", "*": "usf"}}
    config = build(TrainConfig, [tree])
    assert build(TrainConfig, [tomllib.loads(to_toml(config))]) == config


def test_a_damaged_run_cannot_be_evaluated(tmp_path):
    (tmp_path / "run.toml").write_text("x = [")
    with pytest.raises(CheckpointError, match="damaged"):
        evaluate_run(tmp_path)


def test_threads_change_no_bit(tmp_path):
    """LeNet has matrix products, which BLAS would cut by its own count of threads."""
    tree = {"model": "lenet", "rule": "dfa", "epochs": 1, "batch": 32, "data": {"subset": 160}}
    found = []
    for count in (1, 2):
        threads.set_threads(count)
        with start(build(TrainConfig, [tree]), tmp_path / str(count)) as folder, threadpool_limits(count):
            run_train(build(TrainConfig, [tree]), folder, Stopping(), lambda _: None)
            found.append(digest(*folder.load()))
    threads.set_threads(None)
    assert found[0] == found[1]


def test_fixed_parts_learn_by_the_rules_given(config):
    changed = config.model_copy(update={"rules": {"stem": "usf", "preprocess": "fa"}})
    network = build_network(changed, genotype_of(changed), ImageShape(1, 8, 8, 10))
    found = rules_of(network)
    assert found["stem.conv"] == ["usf"]
    assert found["cell0.preprocess0.conv"] == ["fa"]
    assert found["classifier"] == ["bp"]
    wrong = config.model_copy(update={"rules": {"stam": "usf"}})
    with pytest.raises(UsageError, match='Did you mean "stem"'):
        build_network(wrong, genotype_of(wrong), ImageShape(1, 8, 8, 10))
