"""Accuracy under attack as an objective of candidates that are trained."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bionas_cupy.cli.main import main
from bionas_cupy.engine.errors import UsageError
from bionas_cupy.engine.loss import cross_entropy
from bionas_cupy.engine.step import Step
from bionas_cupy.search.training import logits_of
from trial_cases import configured, made

SPEC = {"genome": [0, 3, 4, 0, 9, 18]}
FGSM = {"kind": "fgsm", "epsilon": 0.1, "images": 30}


def test_a_score_is_the_accuracy_on_images_moved_along_the_exact_gradient() -> None:
    """A step of epsilon along the plain gradient, taken here; the other figures are those without an attack."""
    laboratory = made(configured(trials={"attack": FGSM, "seeds": 2}, epochs=3))
    score, found = laboratory.score(SPEC), []
    attacked = laboratory.attacked
    assert len(attacked) == 30 < len(laboratory.validation)
    assert {im.tobytes() for im in attacked.images} <= {im.tobytes() for im in laboratory.validation.images}
    for number in range(2):
        job = laboratory.job(SPEC, number)
        for update in range(3 * job.steps):
            job.step(*divmod(update, job.steps))
        for _, layer in job.model.network.walk():
            layer.sends_error = True
        x = np.divide(attacked.images, 255, dtype=np.float32)
        step = Step(job.model.key.to("step"), training=False, learn=False, exact=True)
        logits = job.model.network.forward(job.model.images(x), step)
        below = job.model.network.backward(cross_entropy(logits, attacked.labels)[1], step)
        moved = np.clip(x + np.float32(0.1) * np.sign(below.reshape(x.shape)), 0, 1)
        right = logits_of(job.model, moved).argmax(axis=1) == attacked.labels
        found.append(100 * right.mean())
    assert score["robust_accuracies"] == pytest.approx(found)
    assert score["robust_accuracy"] == pytest.approx(np.mean(found))
    assert score["robust_error"] == pytest.approx(1 - np.mean(found) / 100)
    plain = made(configured(trials={"seeds": 2}, epochs=3)).score(SPEC)
    assert plain.items() <= score.items()
    assert score["robust_accuracy"] < score["validation_accuracy"]
    assert not any("robust" in name for name in plain)


def test_strategies_minimise_the_error_under_attack_and_the_price() -> None:
    trials = {"attack": FGSM, "objective": "robust_error", "seeds": 2}
    score = made(configured(trials=trials, architecture={"price": 0.5})).score(SPEC)
    paid = 0.5 * score["transported_bits"]
    assert score["transported_bits"] > 0
    expected = [1 - a / 100 + paid for a in score["robust_accuracies"]]
    assert score["objectives"] == pytest.approx(expected)
    assert score["objective"] == pytest.approx(np.mean(expected))


@pytest.mark.parametrize(
    "settings",
    [
        {"strategy": "halving", "epochs": 4, "trials": {"objective": "robust_error"}},
        {"strategy": "ga", "ga": {"objectives": ["robust_error", "transported_bits"]}},
    ],
)
def test_who_asks_for_it_has_an_attack(settings: dict[str, Any]) -> None:
    chosen = configured(**settings).trials
    assert chosen is not None
    assert chosen.attack is not None
    assert (chosen.attack.kind, chosen.attack.steps) == ("pgd", 7)
    usual = configured().trials
    assert usual is not None
    assert usual.attack is None


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"trials": {"attack": {}, "scores": ["naswot"]}}, "trials.attack is on trained candidates"),
        ({"strategy": "darts", "trials": {"attack": {}}}, r"trials\.\* is for searches that train"),
        ({"trials": {"attack": {"epsilon": 0}}}, "trials.attack.epsilon: input should be greater than 0"),
        ({"trials": {"attack": {"kind": "pdg"}}}, "trials.attack.kind"),
        (
            {"strategy": "ga", "ga": {"objectives": ["robust_error"]}, "trials": {"scores": ["naswot"]}},
            "robust_error is not known of these candidates",
        ),
    ],
)
def test_what_cannot_be_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        configured(**settings)


def test_a_genetic_search_by_three_objectives(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    objectives = 'ga.objectives=["validation_loss", "robust_error", "transported_bits"]'
    sets = [objectives, "ga.population=3", "trials.attack.kind=fgsm", "trials.seeds=1"]
    sets += ["size.nodes=1", "size.cells=1", "size.channels=2"]
    small = ["--epochs", "1", "--batch", "20", "--subset", "80", "--workers", "1", "--evaluations", "5"]
    words = [word for each in sets for word in ("--set", each)]
    run = str(tmp_path / "r")
    assert main(["search", "-q", "--json", "--strategy", "ga", *small, *words, "--out", run]) == 0
    *candidates, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert all(0 <= each["robust_accuracy"] <= 100 for each in candidates)
    assert last["genotype"]["provenance"]["trials"]["attack"]["kind"] == "fgsm"
    assert main(["search", "--resume", run]) == 0
    robust = last["genotype"]["score"]["robust_accuracy"]
    assert f"({robust:.1f} % under fgsm with ε = 0.03)" in " ".join(capsys.readouterr().out.split())
