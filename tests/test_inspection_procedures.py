"""What is recorded of networks that learn by more than a forward and a backward pass, and what is null."""

import numpy as np
import pytest
from bionas_cupy.analysis.inspection import inspection
from bionas_cupy.cli.main import main
from bionas_cupy.engine.checkpoint import digest
from bionas_cupy.engine.run_folder import RunFolder

import bionas_cupy as bn

TRAIN = {"model": "mlp", "hidden": [24, 16], "epochs": 1, "batch": 32, "data": {"subset": 96}}
LAYERS = ["hidden0", "hidden1", "classifier"]
EXACT = ["delta_exact", "below_exact", "dW_exact"]


def recorded(folder, rule, *signals, **settings):
    with bn.probe(*signals) as p, inspection(every=2) as seen:
        bn.run_train(folder, rule=rule, **TRAIN | settings)
    return p, {each["layer"]: each for each in seen.summary()}, seen.course


@pytest.mark.parametrize(
    ("rule", "model"),
    [("wp", "mlp"), ("np(probes=2)", "lenet"), ("pepita", "mlp"), ("ff", "mlp"), ("pc", "lenet")],
)
def test_watching_changes_no_bit(tmp_path, rule, model):
    settings = TRAIN | {"model": model, "rule": rule, "data": {"subset": 64}}
    silent = bn.run_train(tmp_path / "silent", **settings)
    with bn.probe("x", "delta", "dW", *EXACT), inspection():
        watched = bn.run_train(tmp_path / "watched", **settings)
    assert watched == silent
    ends = [digest(*RunFolder(tmp_path / name).load()) for name in ("silent", "watched")]
    assert ends[0] == ends[1]


def gradient(folder, layer):
    """The first step's ΔW and δ of a network that learns by bp, the same in all else."""
    with bn.probe("dW", "delta") as p:
        bn.run_train(folder, rule="bp", **TRAIN)
    return p[layer, "dW"][0][1], p[layer, "delta"][0][1]


@pytest.mark.parametrize("rule", ["wp", "np", "pepita", "pc"])
def test_the_exact_gradient_beside_them_is_that_of_bp(tmp_path, rule):
    p, found, course = recorded(tmp_path / "run", rule, "dW", "delta_exact", "dW_exact")
    assert [row.layer for row in course.rows] == LAYERS
    assert course.updates.tolist() == [0, 2]
    dW, delta = gradient(tmp_path / "bp", "hidden1")
    assert np.allclose(p["hidden1", "dW_exact"][0][1], dW, rtol=1e-4, atol=1e-7)
    assert np.allclose(p["hidden1", "delta_exact"][0][1], delta, rtol=1e-4, atol=1e-9)
    told = p["hidden1", "dW"][0][1].astype(np.float64)
    cosine = (told * dW).sum() / np.linalg.norm(told) / np.linalg.norm(dW)
    assert course.of("angle_update")[0, 1] == pytest.approx(np.degrees(np.arccos(cosine)), abs=0.01)
    assert found["hidden1"]["learns"] == ("noise" if rule in ("wp", "np") else "descent")


@pytest.mark.parametrize("rule", ["wp", "np(probes=3)"])
def test_perturbed_synapses_send_nothing_and_hear_of_the_loss(tmp_path, rule):
    p, found, _ = recorded(tmp_path / "run", rule, "dloss", "below")
    assert p["hidden1", "dloss"][0][1].shape == (3 if "3" in rule else 1, 32)
    assert "dloss" in found["hidden1"]["read"]
    for layer in LAYERS[1:]:
        assert (found[layer]["sends"], found[layer]["norm_below"]) == ("none", 0)
        assert found[layer]["angle_below"] is None
        assert found[layer]["angle_feedback_weights"] is None
    assert found["hidden1"]["norm_delta"] == 0  # the classifier sent none
    assert found["hidden1"]["norm_delta_exact"] > 0
    assert not any(each["flags"] for each in found.values())  # a step of noise is near 90°, and no fault


def test_many_probes_of_noise_come_near_the_gradient(tmp_path):
    angles = {}
    for probes in (1, 200):
        _, found, _ = recorded(tmp_path / f"run{probes}", f"np(probes={probes})", data={"subset": 32})
        angles[probes] = found["classifier"]["angle_update"]
    assert angles[200] < 40 < 60 < angles[1]


def test_pepita_compares_two_passes(tmp_path):
    _, found, _ = recorded(tmp_path / "run", "pepita")
    for layer in LAYERS[1:]:
        assert (found[layer]["sends"], found[layer]["norm_below"]) == ("none", 0)
    assert found["hidden0"]["sends"] == "data"
    assert found["classifier"]["angle_delta"] == pytest.approx(0, abs=1e-4)  # its δ is e itself
    assert found["hidden0"]["angle_update_local"] == pytest.approx(0, abs=1e-4)
    assert found["hidden0"]["norm_delta"] > 0


def test_forward_forward_has_nothing_to_be_compared_with(tmp_path):
    """Its answer is a goodness: no logits, and no gradient of their loss. One row a layer, of both passes' samples."""
    p, found, course = recorded(tmp_path / "run", "ff", "x", "delta", "dW")
    assert [row.layer for row in course.rows] == LAYERS[:2]
    assert p["hidden0", "x"][0][1].shape == (64, 1, 64)
    for each in found.values():
        nulls = ["angle_delta", "angle_update", "angle_below", "sign_agreement", "norm_update_exact"]
        assert [each[name] for name in nulls] == [None] * len(nulls)
        assert each["angle_update_local"] == pytest.approx(0, abs=1e-4)
        assert each["norm_update"] > 0
    x, delta, dW = (p["hidden0", name][0][1].astype(np.float64) for name in ("x", "delta", "dW"))
    assert np.allclose(dW, -delta[:, 0].T @ x[:, 0], rtol=1e-4, atol=1e-7)


def test_a_table_says_why_forward_forward_is_compared_with_nothing(capsys):
    told = {}
    for rule in ("ff", "pepita"):
        assert main(["inspect", "mlp", "--rule", rule, "--subset", "96", "--steps", "1", "-q"]) == 0
        told[rule] = " ".join(capsys.readouterr().out.split())
    assert "Rule ff: no exact gradient beside it, for its passes give no logits" in told["ff"]
    assert "no exact gradient" not in told["pepita"]


def test_settled_predictive_coding_is_seen_to_be_bp(tmp_path):
    _, near, _ = recorded(tmp_path / "near", "pc(steps=300;step=0.3;beta=0.001)", data={"subset": 32})
    _, far, _ = recorded(tmp_path / "far", "pc(steps=2;step=0.3;beta=1)", data={"subset": 32})
    assert all(near[layer]["angle_update"] < 1 for layer in LAYERS)
    assert all(near[layer]["angle_below_local"] < 1e-3 for layer in LAYERS[1:])
    assert max(far[layer]["angle_update"] for layer in LAYERS) > 10
