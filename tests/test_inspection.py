"""What is measured of each synapse, against plain formulas; recorded runs against unrecorded ones."""

import json

import numpy as np
import pytest
from bionas_cupy.analysis.course import Row
from bionas_cupy.analysis.histogram import BINS, EDGES, histogram
from bionas_cupy.analysis.inspection import Inspection, inspection
from bionas_cupy.analysis.likeness import likeness, norm
from bionas_cupy.analysis.numbers import EACH_STEP, HISTOGRAMS, NAMES
from bionas_cupy.analysis.signals_file import SignalsFile
from bionas_cupy.analysis.variance import Welford
from bionas_cupy.engine.checkpoint import digest
from bionas_cupy.engine.kernels.likeness import PIECE
from bionas_cupy.engine.probe import probe
from bionas_cupy.engine.run_folder import RunFolder

import bionas_cupy as bn

TRAIN = {"model": "lenet", "epochs": 1, "batch": 32, "data": {"subset": 64}}
SEARCH = {
    "images_per_epoch": 64,
    "epochs": 1,
    "size": {"channels": 2, "cells": 2, "nodes": 1},
    "space": {"operations": ["sep_conv_3x3", "skip_connect"], "rules": ["usf", "dfa", "bp"]},
    "architecture": {"warmup": 0.0},
}
random = np.random.default_rng(0)


def plain_angle(u, v):
    u, v = (np.asarray(a, np.float64).ravel() for a in (u, v))
    return np.degrees(np.arccos(np.clip(u @ v / np.linalg.norm(u) / np.linalg.norm(v), -1, 1)))


@pytest.mark.parametrize("size", [1, 7, PIECE, 3 * PIECE + 5, 40 * PIECE + 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_likeness_of_two_arrays(size, dtype):
    u, v = (random.normal(size=(size, 1)).astype(dtype) for _ in range(2))
    u[: size // 3] = 0
    v[size // 2 : size // 2 + 2] = 0
    found = likeness(u, v)
    if np.any(v) and np.any(u):
        assert found.angle == pytest.approx(plain_angle(u, v), abs=1e-6)
        assert found.agreement == np.mean(np.sign(u[v != 0]) == np.sign(v[v != 0]))
    assert found.norm == pytest.approx(np.linalg.norm(u.astype(np.float64)), rel=1e-12)
    assert norm(v) == found.reference


@pytest.mark.parametrize("tiny", [1e-3, 1e-9, 1e-13])
def test_small_and_flat_angles_are_as_exact_as_others(tiny):
    """Where the cosine is 1 to the last bit."""
    u, v = np.array([1.0, 0.0]), np.array([np.cos(tiny), np.sin(tiny)])
    assert likeness(u, v).angle == pytest.approx(np.degrees(tiny), rel=1e-6)
    assert 180 - likeness(u, -v).angle == pytest.approx(np.degrees(tiny), rel=1e-1 if tiny < 1e-12 else 1e-3)


def test_an_angle_to_nothing_is_none():
    found = likeness(np.zeros(3), np.ones(3))
    assert np.isnan(found.angle)
    assert found.agreement == 0
    assert np.isnan(likeness(np.ones(3), np.zeros(3)).agreement)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_histogram_counts_by_half_octaves(dtype):
    values = (random.choice([-1, 1], 9999) * 2.0 ** random.uniform(-36, 11, 9999)).astype(dtype)
    values[:50], values[50:100] = 0, -0.0
    values[100 : 100 + len(EDGES)] = EDGES  # a border belongs to the larger magnitude
    magnitude = np.digitize(abs(values.astype(np.float32)), EDGES[EDGES > 0])
    expected = np.bincount(BINS // 2 + np.where(values < 0, -1, 1) * magnitude, minlength=BINS)
    assert np.array_equal(histogram(values.reshape(3, -1)), expected)


def test_welford_is_the_variance_over_samples():
    samples = 1e4 + random.normal(size=(7, 5, 3))  # E[x²] - E[x]² would lose eight digits here
    seen = Welford()
    for sample in samples:
        seen.add(sample)
    mean, variance, snr = seen.signal_and_noise()
    assert mean == pytest.approx(np.linalg.norm(samples.mean(axis=0)), rel=1e-12)
    assert variance == pytest.approx(samples.var(axis=0, ddof=1).mean(), rel=1e-9)
    total = samples.var(axis=0, ddof=1).sum()
    signal = np.square(samples.mean(axis=0)).sum() - total / 7
    assert snr == pytest.approx(np.sqrt(signal / total), rel=1e-9)


def test_snr_is_unbiased_and_zero_in_noise():
    few = []
    for _ in range(100):
        seen = Welford()
        for _ in range(4):
            seen.add(0.5 + random.normal(size=200))
        few.append(seen.signal_and_noise()[-1])
    assert np.mean(few) == pytest.approx(0.5, abs=0.02)  # μ = 0.5, σ = 1 in each component
    once = Welford()
    once.add(np.ones(3))
    assert np.isnan(once.signal_and_noise()).all()


@pytest.mark.parametrize("rule", ["bp", "fa", "usf", "brsf", "qsf2", "dfa", "oja(sends=feedback)"])
def test_numbers_of_a_training_by_plain_formulas(tmp_path, rule):
    signals = ["x", "delta", "below", "dW", "W", "B", "delta_exact", "below_exact", "dW_exact"]
    local = rule.startswith("oja")  # the layer that answers has to hear of the labels
    classifier = {"rules_per_layer": {"classifier": "bp"}} if local else {}
    with probe(*signals) as p, inspection() as seen:
        bn.run_train(tmp_path / "run", rule=rule, **TRAIN, **classifier)
    course = seen.course
    assert [row.layer for row in course.rows] == ["conv0", "conv1", "linear", "classifier"]
    for i, row in enumerate(course.rows):
        for t, update in enumerate(course.updates):
            raw = {s: p[row.layer, s][t][1] for s in signals if (row.layer, s) in p.records}
            found = dict(zip(NAMES, course.numbers[t, i], strict=True))
            assert p[row.layer, "delta"][t][0] == update
            check(found, raw)
        assert row.rule == ("bp" if local and row.layer == "classifier" else rule)


def check(found, raw):
    """raw: the arrays of one synapse in one pass."""
    for name, array in raw.items():
        label = name.replace("dW", "update")
        if f"norm_{label}" in found:
            assert found[f"norm_{label}"] == pytest.approx(np.linalg.norm(array.astype(np.float64)), rel=1e-9)
    pairs = {"delta": "delta", "below": "below", "update": "dW"}
    for name, signal in pairs.items():
        if signal not in raw:
            assert np.isnan(found[f"angle_{name}"])
        else:
            assert close(found[f"angle_{name}"], plain_angle(raw[signal], raw[f"{signal}_exact"]))
    if "B" in raw:
        assert close(found["angle_feedback_weights"], plain_angle(raw["B"], raw["W"]))
    else:
        assert np.isnan(found["angle_feedback_weights"])
    exact = raw["dW_exact"]
    same = np.sign(raw["dW"][exact != 0]) == np.sign(exact[exact != 0])
    assert found["sign_agreement"] == pytest.approx(same.mean())
    x = raw["x"][:, 0]
    assert found["sparsity"] == pytest.approx(np.mean(x == 0))
    assert found["dead"] == pytest.approx(np.mean([not x[:, c].any() for c in range(x.shape[1])]))
    assert found["saturation"] == pytest.approx(np.mean(abs(x[x != 0]) >= 0.99 * abs(x).max()), abs=1e-6)
    assert found["variance_W"] == pytest.approx(raw["W"].var(dtype=np.float64))


def close(angle, reference):
    return angle == pytest.approx(reference, abs=1e-3, nan_ok=True)


def test_local_angles_are_those_of_this_synapse_alone(tmp_path):
    """The error that arrived, through W: an angle that does not compound with depth."""
    with inspection() as seen:
        bn.run_train(tmp_path / "run", **TRAIN | {"rule": "usf"})
    local, compound = (seen.course.mean(f"angle_below{which}", 9) for which in ("_local", ""))
    assert abs(local[1:] - 30).max() < 1.5  # uSF: cos = √3/2 for uniform weights
    assert local[3] == pytest.approx(compound[3], abs=1e-4)  # nothing above the classifier
    assert (np.diff(compound[1:]) < -3).all()  # and the farther from the loss, the larger


def test_lanes_are_rows_of_their_own(tmp_path):
    with inspection(["*edge*"]) as seen:
        bn.run_search(tmp_path / "run", **SEARCH)
    rows = {(row.layer, row.lane): i for i, row in enumerate(seen.course.rows)}
    summary = seen.summary()
    name = "cell0.edge0.sep_conv_3x3.depthwise0"  # its lanes share one input, and send one error
    told = [summary[rows[name, lane]] for lane in range(3)]
    assert [each["rule"] for each in told] == ["usf", "dfa", "bp"]
    assert told[0]["angle_below_local"] == pytest.approx(30, abs=12)  # 18 weights
    assert told[2]["angle_below_local"] == 0
    assert told[1]["angle_feedback_weights"] is None
    assert all(each["sent_error"] < 1e-5 for each in (told[0], told[2]))
    assert [each["read"] for each in told] == [["delta", "x"], ["delta", "top", "x"], ["delta", "x"]]


def test_fused_layers_are_told_of_one_by_one(tmp_path):
    settings = {**SEARCH, "space": {"operations": ["sep_conv_3x3"], "rules": ["usf", "bp"]}}
    with inspection(["*edge*"]) as seen:
        bn.run_search(tmp_path / "run", **settings)
    found = seen.summary()
    assert {tuple(each["read"]) for each in found} == {("delta", "x")}
    assert {each["layer"].rpartition(".")[2] for each in found} >= {"depthwise0", "pointwise0", "pointwise1"}
    assert max(each["sent_error"] for each in found) < 1e-4
    assert all(each["angle_below_local"] < 1e-3 for each in found if each["rule"] == "bp")


@pytest.mark.parametrize("job", ["train", "search"])
def test_a_recorded_run_ends_in_the_same_bits(tmp_path, job):
    run, settings = (bn.run_train, TRAIN | {"rule": "brsf"}) if job == "train" else (bn.run_search, SEARCH)
    silent = run(tmp_path / "silent", **settings)
    with SignalsFile(tmp_path / "signals") as file, inspection(sink=file) as seen:
        recorded = run(tmp_path / "recorded", **settings)
    ends = [digest(*RunFolder(tmp_path / name).load()) for name in ("silent", "recorded")]
    assert recorded == silent
    assert ends[0] == ends[1]
    stored = bn.read_signals(tmp_path / "signals")
    assert stored.rows == seen.course.rows
    assert np.array_equal(stored.numbers, seen.course.numbers, equal_nan=True)
    assert (np.isfinite(stored.of("snr")).any(), np.nanmax(stored.of("window_steps"))) == (True, 2)
    assert np.array_equal(stored.histograms, seen.course.histograms)


def test_a_recording_that_is_resumed_goes_on_where_the_run_does(tmp_path):
    settings = TRAIN | {"rule": "fa"}
    for number in range(2):  # the second run begins again from the first step
        with SignalsFile(tmp_path / "signals") as file, inspection(sink=file) as seen:
            bn.run_train(tmp_path / f"run{number}", **settings)
    stored = bn.read_signals(tmp_path / "signals")
    assert stored.updates.tolist() == [0, 1]
    assert np.array_equal(stored.of("angle_below"), seen.course.of("angle_below"), equal_nan=True)


def test_a_window_ends_in_variance_and_snr(tmp_path):
    settings = TRAIN | {"data": {"subset": 32 * 7}}
    with probe("dW", layers="conv1") as p, inspection("conv1", window=3) as seen:
        bn.run_train(tmp_path / "run", rule="usf", **settings)
    snr, variance = seen.course.of("snr")[:, 0], seen.course.of("variance_update")[:, 0]
    assert np.isnan(snr).tolist() == [True, True, False, True, True, False, True]
    dW = np.stack([value for _, value in p["conv1", "dW"]]).astype(np.float64)
    for end in (3, 6):
        assert variance[end - 1] == pytest.approx(dW[end - 3 : end].var(axis=0, ddof=1).mean(), rel=1e-9)
    (told,) = seen.summary()
    assert (told["snr"], told["variance_update"]) == (
        snr[5],
        variance[5],
    )  # of the last window, no mean of two


def test_a_summary_is_json_and_shows_itself(tmp_path):
    with inspection() as seen:
        bn.run_train(tmp_path / "run", rule="dfa", **TRAIN)
    found = json.loads(json.dumps(seen.summary(), allow_nan=False))
    wanted = "layer op rule ran reads read angle_below angle_below_local angle_update angle_feedback_weights"
    wanted += " sign_agreement snr norm_delta norm_below norm_update flags"
    assert all(set(wanted.split()) <= each.keys() for each in found)
    assert "<table>" in seen._repr_html_() == seen.course._repr_html_()
    assert repr(seen.course) == "Course('': 4 rows, 2 recorded steps, updates 0 to 1)"
    assert repr(seen) == f"Inspection({seen.course!r})"
    assert len(EACH_STEP) + 4 == len(NAMES)
    assert seen.course.counts("delta", 20).sum(axis=1).min() > 0
    assert seen.course.counts("B", 20).sum() == 0  # dfa has none
    assert HISTOGRAMS[2] == "delta"


def test_nothing_recorded_is_no_error():
    assert Inspection().summary() == []
    assert len(Inspection().course.updates) == 0
    assert Row("a", 2, "linear", "bp", 32.0, (1,), "exact", "descent", ()).name == "a#2"
