"""Tournaments of cells by DARTS: what their weights descend, what a genetic search makes of them, stopping."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bionas_cupy.cli.main import main
from bionas_cupy.engine.random import Key
from bionas_cupy.engine.step import Step
from bionas_cupy.layers.model import Model, transported_bits
from bionas_cupy.search.architecture import softmax
from bionas_cupy.search.config import SearchConfig, build
from bionas_cupy.search.passes import mixed_pass
from bionas_cupy.search.strategies.genetic import GeneticSearch
from bionas_cupy.search.strategies.strategy import Spec
from bionas_cupy.search.trials.laboratory import Laboratory, training_images
from bionas_cupy.search.trials.setup import space_of
from bionas_cupy.search.trials.tournament import Tournament
from cli_cases import journal
from trial_cases import OPTIONS

TINY = {"size": {"nodes": 1, "cells": 1, "channels": 2}, "data": {"subset": 80}, "batch": 20, "epochs": 2}
FOUR: Spec = {
    "contestants": [[0, 3, 4, 0, 9, 18], [0, 1, 1, 0, 2, 2], [0, 3, 3, 0, 4, 4], [0, 9, 5, 0, 9, 5]]
}


def laboratory(**settings: Any) -> Laboratory:
    config = build(SearchConfig, [{"strategy": "ga", "ga": {"darts_every": 3}, **TINY}, settings])
    return Laboratory(config, space_of(config, None), training_images(config))


def contest(**settings: Any) -> Tournament:
    lab = laboratory(**settings)
    cells = [lab.decisions.genotype(genome) for genome in FOUR["contestants"]]
    return Tournament(lab.config, cells, lab.train, lab.validation, lab.place, 3)


@pytest.mark.parametrize("price", [0.0, 0.5])
def test_the_weights_descend_the_validation_loss_and_the_bits(price: float) -> None:
    """Against central differences of L_val + price · Σ q bits, which know no backward pass; of both kinds of cell."""
    job = contest(architecture={"price": price}, size={"nodes": 1, "cells": 3, "channels": 2})
    job.model = Model(job.contest, job.model.normalise, Key(3), np.float64)
    job.alpha[...] = [0.3, -0.2, 0.1, 0.0]

    def objective() -> float:
        q, step = softmax(job.alpha), Step(job.model.key, learn=False)
        told = mixed_pass(job.model, job.contest, job.val(0, 1), (q[None], q[None]), step)
        return float(told.loss) + price * float(q @ job.bits)

    found, expected, h = job.gradient(0, 1), [], 1e-5
    for m in range(4):
        job.alpha[m] += h
        above = objective()
        job.alpha[m] -= 2 * h
        expected.append((above - objective()) / (2 * h))
        job.alpha[m] += h
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-8)
    assert np.abs(expected).max() > 0.01


def test_bits_are_those_of_the_contestants_own_networks() -> None:
    lab = laboratory()
    own = [lab.job({"genome": genome}, 0).model.synapses for genome in FOUR["contestants"]]
    assert contest().bits.tolist() == [transported_bits(synapses) for synapses in own]


def test_shares_are_the_mean_over_seeds() -> None:
    """α rests for the first 30 % of the steps; the same images, other initial weights in each seed."""
    lab = laboratory(architecture={"lr": 0.1})
    cells = [lab.decisions.genotype(genome) for genome in FOUR["contestants"]]
    apart = []
    for number in range(2):
        job = Tournament(lab.config, cells, lab.train, lab.validation, lab.place, lab.seed(number))
        for update in range(4):  # of 2 epochs with 2 batches
            assert (job.alpha == 0).all() == (update < 3)
            job.step(update)
        assert job.steps == 4
        apart.append(job.shares)
        assert job.shares.sum() == pytest.approx(1)
    score = lab.score(FOUR)
    assert score == {"shares": np.mean(apart, axis=0).tolist()}
    assert (apart[0] != apart[1]).all()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_tournament_that_diverges_has_failed() -> None:
    assert laboratory(optimiser={"lr": 1e30, "clip": 0.0}).score(FOUR)["failed"] == "diverged"


def test_the_better_half_goes_on_after_every_third_generation() -> None:
    search = GeneticSearch((5,) * 6, Key(1), 6, 6, 40, darts_every=3)
    kinds = []
    for _ in range(9):
        asked = search.ask()
        kinds.append("contestants" in asked[0])
        if not kinds[-1]:
            search.tell([{"objective": float(sum(spec["genome"]))} for spec in asked])
            continue
        assert asked == [{"contestants": [list(one.genome) for one in search.living]}]
        before = [one.genome for one in search.living]
        shares = [0.1, 0.3, 0.05, 0.3, 0.2, 0.05]
        search.tell([{"shares": shares}])
        assert [one.genome for one in search.living] == [before[1], before[3], before[4]]
    assert kinds == [False, False, False, True] * 2 + [False]
    search.contest, before = True, [one.genome for one in search.living]
    search.ask()
    search.tell([{"objective": 1e9, "failed": "3 workers died"}])
    assert [one.genome for one in search.living] == before


SMALL = [
    *(*OPTIONS, "--epochs", "1", "--evaluations", "12", "--set", "trials.seeds=1"),
    *("--strategy", "ga", "--set", "ga.population=3", "--set", "ga.children=1", "--set", "ga.darts_every=2"),
]


@pytest.mark.parametrize("scores", ["[]", '["naswot","credit"]'])
def test_a_search_stopped_in_a_tournament_ends_in_the_same_bytes(
    scores: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """12 evaluations; a tournament of 3 costs 3 of them."""
    asked = ["search", "-q", *SMALL, "--set", f"trials.scores={scores}"]
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert main([*asked, "--out", str(whole)]) == 0
    lines = journal(whole)
    fights = [n for n, line in enumerate(lines) if "contestants" in line["spec"]]
    assert all(sum(lines[n]["score"]["shares"]) == pytest.approx(1) for n in fights)
    found = json.loads((whole / "genotype.json").read_text())["score"]
    costs = [len(lines[n]["spec"]["contestants"]) for n in fights]
    assert (found["candidates"], found["tournaments"]) == (len(lines) - len(fights), len(fights))
    assert found["spent"] == found["candidates"] + sum(costs) <= 12
    assert costs[0] == 3
    original, steps = Tournament.step, []

    def step(self: Tournament, update: int) -> None:
        steps.append(update)
        if len(steps) == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        original(self, update)

    with monkeypatch.context() as patched:
        patched.setattr(Tournament, "step", step)
        assert main([*asked, "--out", str(stopped)]) == 143
    assert len(journal(stopped)) == fights[0]
    assert main(["search", "-q", "--resume", str(stopped), "--workers", "1"]) == 0
    assert (stopped / "genotype.json").read_bytes() == (whole / "genotype.json").read_bytes()
    assert journal(stopped) == lines
    capsys.readouterr()
    assert main(["front", str(whole)]) == (0 if scores == "[]" else 2)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--space", "nasbench201", "--set", "size.cells=3"], "Leave out --space nasbench201"),
        (["--set", 'space.parts=["stem"]'], "Leave out space.parts"),
        (["--genotype", "cell.json"], "these are others"),
        (["--space", "nasbench201", "--table", "t.csv"], "a table trains nothing"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    cell = "|nor_conv_3x3:fa~0|+|none~0|nor_conv_1x1:bp~1|+|skip_connect~0|none~1|avg_pool_3x3~2|"
    Path("cell.json").write_text(json.dumps({"format": 1, "space": "nasbench201", "cell": cell}))
    assert main(["search", "-q", "--strategy", "ga", "--set", "ga.darts_every=3", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert len(err.splitlines()) == 1
