"""Inoue's network layer by layer: every stage against a loop over samples; resuming; k-shot; its options."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bionas_cupy.analysis.subject import open_subject
from bionas_cupy.cli.configuration import widths
from bionas_cupy.data.digits import read_digits
from bionas_cupy.data.order import epoch_order
from bionas_cupy.engine.backend import cpu
from bionas_cupy.engine.checkpoint import digest
from bionas_cupy.engine.errors import StoppedError, UsageError
from bionas_cupy.engine.random import Key
from bionas_cupy.engine.run_folder import RunFolder
from bionas_cupy.engine.stopping import Stopping
from bionas_cupy.search.config import TrainConfig
from bionas_cupy.search.evaluate import evaluate_run
from bionas_cupy.search.feed import chosen_images
from bionas_cupy.search.known import train_config
from bionas_cupy.search.staged import StagedTraining
from bionas_cupy.search.train_run import run_train, start

Array = np.ndarray[Any, Any]
SMALL = {
    "model": "inoue",
    "hidden": [30, 20],
    "epochs": 2,
    "batch": 50,
    "data": {"subset": 200},
    "optimiser": {"lr": 0.05},
    "readout": {"epochs": 3, "batch": 40},
}
FOLDERS = [("few", False), ("all", True)]
WITH_NOISE = {"rule": "inoue_output(probes=2)+homeostasis", "epochs": 2, "batch": 100}


def configured(**settings: Any) -> TrainConfig:
    return train_config(SMALL | settings)


def made(folder: Path, **settings: Any) -> StagedTraining:
    config, splits = configured(**settings), read_digits()
    images = chosen_images(splits, config.data, Key(config.seed))
    return StagedTraining(config, images, cpu(), folder, splits.train if config.data.unlabelled else images)


def run(job: StagedTraining) -> None:
    for epoch in range(job.epochs):
        job.begin(epoch)
        for index in range(job.steps):
            job.step(epoch, index)


def weights(job: StagedTraining) -> list[Array]:
    return [synapse.W.value.astype(np.float64) for synapse in job.model.synapses]


def z_of(y: Array) -> Array:
    """Of one sample."""
    size = abs(y)
    z = np.maximum((size - size.mean()) / size.std(), 0)
    return z / z.max()


@pytest.mark.parametrize("constraint", ["", "nonneg"])
def test_every_stage_is_the_papers_sample_by_sample(constraint: str, tmp_path: Path) -> None:
    """W_l ← W_l + η ⟨z (x - Wᵀ z)⟩, one layer after the other; then the read-out by the gradient of its loss."""
    job = made(tmp_path, constraints=constraint)
    (*W, V), b = weights(job), np.zeros(10)
    X = job.images.images.reshape(200, -1) / 255

    def rows(epoch: int, size: int, part: int) -> Array:
        return epoch_order(200, epoch, Key(0, "weights"))[part * size : (part + 1) * size]

    for stage in (0, 1):
        for done in range(8):
            total = np.zeros_like(W[stage])
            for x in X[rows(3 * stage + done // 4, 50, done % 4)]:  # each third epoch makes features
                z = z_of(W[stage] @ x)
                total += np.outer(z, x - z @ W[stage])
            W[stage] = W[stage] + 0.05 * (1 - done / 8) * total / 50
            W[stage] = np.maximum(W[stage], 0) if constraint else W[stage]
        X = np.array([z_of(W[stage] @ x) for x in X])
    moved, moved_b = 0 * V, 0 * b
    for done in range(15):
        chosen = rows(6 + done // 5, 40, done % 5)
        g, h, rate = 0 * V, 0 * b, 0.5 * (1 + np.cos(np.pi * done / 15))
        for x, t in zip(X[chosen], job.images.labels[chosen], strict=True):
            p = np.exp(V @ x + b)
            error = p / p.sum() - np.eye(10)[t]
            g, h = g + np.outer(error, x) / 40, h + error / 40
        moved, moved_b = 0.9 * moved + g, 0.9 * moved_b + h
        V, b = V - rate * (g + 0.9 * moved), b - rate * (h + 0.9 * moved_b)
        V = np.maximum(V, 0) if constraint else V
    run(job)
    for found, expected in zip(weights(job), [*W, V], strict=True):
        assert np.allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert np.allclose(job.model.synapses[-1].bias, b, atol=1e-5)


@pytest.mark.parametrize("readout", [{"epochs": 3, "batch": 40}, WITH_NOISE])
@pytest.mark.parametrize("steps", [3, 8, 13, 17])
def test_resumed_it_ends_in_the_same_bits(readout: dict[str, Any], steps: int, tmp_path: Path) -> None:
    config = configured(readout=readout, constraints="nonneg")
    with start(config, tmp_path / "whole") as folder:
        whole = run_train(config, folder, Stopping(), lambda _: None)
        expected = digest(*folder.load())
    stopping, count = Stopping(), 0

    def stop(_: object) -> None:
        nonlocal count
        count += 1
        stopping.requested = 2 if count == steps else None

    with start(config, tmp_path / "stopped") as folder, pytest.raises(StoppedError):
        run_train(config, folder, stopping, stop)
    with RunFolder.open_for_resume(tmp_path / "stopped") as folder:
        run_train(config, folder, Stopping(), lambda _: None)
        assert digest(*folder.load()) == expected
    result = json.loads((tmp_path / "stopped/result.json").read_text())
    assert result == whole
    assert result["transported_bits"] == 0
    again = evaluate_run(tmp_path / "stopped", device="cpu")
    assert again["test_accuracy"] == whole["test_accuracy"]


def test_it_learns(tmp_path: Path) -> None:
    settings = {"hidden": [300], "epochs": 4, "data": {}, "readout": {"epochs": 20}}
    job = made(tmp_path, **settings)
    run(job)
    assert job.score(job.epochs - 1)["train_accuracy"] > 90


def test_shots_and_the_images_without_labels(tmp_path: Path) -> None:
    few, all_seen = (
        made(tmp_path / name, data={"shots": 3, "unlabelled": unlabelled}) for name, unlabelled in FOLDERS
    )
    assert sorted(few.images.labels) == [k for k in range(10) for _ in range(3)]
    for job, count in ((few, 30), (all_seen, 1437)):
        job.features[0].path.parent.mkdir()
        assert [features.shape[0] for features in job.features] == [count, 30]
        assert len(job.feed.images) == count
        run(job)
    assert not np.array_equal(weights(few)[0], weights(all_seen)[0])
    x = job.images.images.reshape(30, -1) / 255
    for W in weights(job)[:2]:
        x = np.array([z_of(W @ each) for each in x])
    assert np.allclose(job.features[1].read(np.arange(30)), x, atol=1e-5)


def test_more_shots_than_a_class_has_are_refused(tmp_path: Path) -> None:
    assert np.bincount(made(tmp_path, data={"shots": 139}).images.labels).tolist() == [139] * 10
    with pytest.raises(UsageError, match="shots 140: class 8 of digits has 139 training images"):
        made(tmp_path, data={"shots": 140})


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"rule": "fa"}, 'rule "fa" of layer "hidden0" hears of labels or errors'),
        ({"readout": {"rule": "oja"}}, "hears of no label"),
        ({"data": {"shots": 1, "subset": 20}}, "two choices of images"),
        ({"data": {"unlabelled": True}}, "Add --shots"),
    ],
)
def test_what_does_not_go_together(settings: dict[str, Any], told: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=told):
        made(tmp_path, **settings)


def test_what_the_paper_sets_is_where_nobody_says_otherwise() -> None:
    config = train_config({"model": "inoue", "readout": {"rule": "inoue_output+homeostasis"}})
    assert (config.optimiser.lr, config.optimiser.momentum, config.hidden) == (5e-4, 0.0, [2000])
    assert (config.readout.epochs, config.readout.batch, config.readout.optimiser.lr) == (1000, 2000, 5e-4)
    few = train_config({"model": "krotov-hopfield", "readout": {"rule": "inoue_output", "epochs": 7}})
    assert (few.readout.epochs, few.readout.optimiser.kind) == (7, "sgd")


def test_widths() -> None:
    assert widths("500, 2000x2") == [500, 2000, 2000]
    assert widths(None) is None
    with pytest.raises(UsageError, match="2000x10"):
        widths("2000x")


def test_a_run_in_stages_is_not_inspected_its_network_is(tmp_path: Path) -> None:
    with start(configured(), tmp_path / "run"):
        pass
    with pytest.raises(UsageError, match="bionas-cupy inspect inoue"):
        open_subject(str(tmp_path / "run"), {})
    subject = open_subject("inoue", {"hidden": [20], "batch": 30})
    assert subject.run(2) == 2
