"""A candidate's score: a training on one half judged on the other, rungs, ties."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from bionas_cupy.engine.random import Key
from bionas_cupy.search.ask_tell import Trial
from bionas_cupy.search.training import scores_on
from bionas_cupy.search.trials.laboratory import WORST, training_images
from bionas_cupy.search.trials.settings import rungs
from bionas_cupy.search.trials.ties import tied_with
from trial_cases import configured, made


def test_a_score_is_a_training_on_one_half_judged_on_the_other() -> None:
    """Against Training and scores_on, called here; and the price by hand."""
    config = configured(architecture={"price": 0.25}, trials={"seeds": 2}, epochs=2)
    laboratory = made(config)
    train, validation = training_images(config).halves(Key(0))
    spec = {"genome": [0, 3, 4, 0, 9, 18]}
    score = laboratory.score(spec)
    losses, seeds = [], set()
    for number in range(2):
        job = laboratory.job(spec, number)
        seeds.add(job.config.seed)
        for epoch in range(2):
            for index in range(job.steps):
                job.step(epoch, index)
        found = scores_on(job.model, validation)
        assert found["test_images"] == 40
        losses.append(found["test_loss"])
        assert found["test_accuracy"] == score["accuracies"][number]
    assert len(seeds) == 2
    assert not {im.tobytes() for im in train.images} & {im.tobytes() for im in validation.images}
    bits = sum(rule.bits * s.W.size for s in job.model.synapses for rule in s.rules if s.sends_error) / sum(
        s.W.size for s in job.model.synapses
    )
    assert score["transported_bits"] == pytest.approx(bits)
    assert score["objectives"] == pytest.approx([loss + 0.25 * bits for loss in losses], rel=1e-12)
    assert score["objective"] == pytest.approx(np.mean(losses) + 0.25 * bits)
    assert score["parameters"] == job.model.arena.value.size


def test_error_in_the_place_of_loss() -> None:
    spec = {"genome": [0, 3, 4, 0, 9, 18], "budget": 2}
    by_error = made(configured(trials={"objective": "error"})).score(spec)
    assert by_error["objectives"] == pytest.approx([1 - a / 100 for a in by_error["accuracies"]])
    assert by_error["validation_loss"] == made(configured()).score(spec)["validation_loss"]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_candidate_that_diverges_is_the_last_one() -> None:
    score = made(configured(optimiser={"lr": 1e30, "clip": 0.0}, epochs=3)).score(
        {"genome": [0, 3, 4, 0, 9, 18]}
    )
    assert score["failed"] == "diverged"
    assert score["objective"] == score["validation_loss"] == WORST
    assert score["parameters"] < WORST


@pytest.mark.parametrize(
    ("epochs", "halving", "expected"),
    [(4, {}, [1, 2, 4]), (6, {}, [2, 3, 6]), (9, {"factor": 3, "rungs": 2}, [3, 9]), (5, {"rungs": 1}, [5])],
)
def test_rungs(epochs: int, halving: dict[str, int], expected: list[int]) -> None:
    assert rungs(configured(strategy="halving", epochs=epochs, halving=halving)) == expected


def test_ties_are_paired_by_seed() -> None:
    """The seeds move both alike: not a tie, although the intervals of the two overlap widely."""

    def trial(number: int, objectives: Sequence[float], **spec: Any) -> Trial:
        return Trial(number, spec, {"objectives": list(objectives), "objective": np.mean(objectives)}, 1)

    best = trial(0, [1.0, 2.0, 3.0], budget=4)
    worse = trial(1, [1.11, 2.10, 3.12], budget=4)
    same = trial(2, [1.5, 1.9, 3.1], budget=4)
    short = trial(3, [1.0, 2.0, 3.0], budget=2)
    dead = Trial(4, {"budget": 4}, {"objective": WORST, "failed": "diverged"}, 1)
    assert tied_with([best, worse, same, short, dead], best) == [same]
