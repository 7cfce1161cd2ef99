"""Searches judged by scores of untrained networks: scores, objectives, the best, resuming, refusals."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bionas_cupy.cli.main import main
from bionas_cupy.cli.untrained_result import told
from bionas_cupy.engine.errors import UsageError
from bionas_cupy.engine.random import Key
from bionas_cupy.layers.model import Model
from bionas_cupy.search.ask_tell import Trial
from bionas_cupy.search.config import SearchConfig, build, search_presets
from bionas_cupy.search.genotype import read_genotype
from bionas_cupy.search.look import Look
from bionas_cupy.search.networks import build_network
from bionas_cupy.search.scores import SCORES
from bionas_cupy.search.strategies.genetic import GeneticSearch
from bionas_cupy.search.strategies.strategy import Spec
from bionas_cupy.search.trials.executor import one_thread
from bionas_cupy.search.trials.laboratory import WORST, Laboratory, training_images
from bionas_cupy.search.trials.setup import setup_of
from bionas_cupy.search.trials.ties import best_by, tied_with, undominated
from bionas_cupy.search.trials.untrained import Untrained
from bionas_cupy.search.trials.workers import answer_to
from cli_cases import InLines, check_refused, found_in, journal
from trial_cases import OPTIONS, TINY, check_that_a_stop_changes_nothing, configured, made

import bionas_cupy as bn

SPEC: Spec = {"genome": [0, 3, 4, 0, 9, 0]}  # a max pool in the last cell, without which ntk does not exist


def untrained(scores: list[str], **settings: Any) -> Untrained:
    """A network of one cell; 12 images."""
    trials = {"scores": scores, "images": 12, **settings.pop("trials", {})}
    found = made(configured(**{"strategy": "ga", "epochs": 2, "trials": trials, **settings}))
    assert isinstance(found, Untrained)
    return found


@pytest.mark.parametrize("name", SCORES)
def test_a_score_is_that_of_the_networks_that_a_training_begins_with(name: str) -> None:
    """Against looks of our own, in both seeds; minimised with the price."""
    laboratory = untrained([name], architecture={"price": 0.5})
    found, rows = laboratory.score(SPEC), laboratory.train.take(np.arange(12))
    for number, value in enumerate(found["by_seed"][name]):
        job = laboratory.job(SPEC, number)

        def double(job: Any = job) -> Model:
            network = build_network(
                job.config, laboratory.decisions.genotype(SPEC["genome"]), laboratory.shape
            )
            return Model(network, job.model.normalise, job.model.key, np.float64)

        look = Look(
            job.model, job.model.images(np.divide(rows.images, 255, dtype=np.float32)), rows.labels, double
        )
        assert value == SCORES[name](look)
    assert len(found["by_seed"][name]) == 2
    assert found["scores"] == {name: np.mean(found["by_seed"][name])}
    assert found[f"-{name}"] == -found["scores"][name]
    assert found["transported_bits"] == Laboratory.score(laboratory, SPEC)["transported_bits"] > 0
    assert found["objectives"] == [0.5 * found["transported_bits"] - v for v in found["by_seed"][name]]
    assert found["objective"] == pytest.approx(np.mean(found["objectives"]))


def test_a_worker_gives_the_same_scores() -> None:
    """What a process answers; pipes, deaths and order are those of searches that train (test_trial_workers.py)."""
    laboratory = untrained(["naswot", "credit@2"])
    setup = setup_of(laboratory.config, None, training_images(laboratory.config))
    with one_thread():
        assert answer_to(SPEC, setup) == laboratory.score(SPEC)


def test_a_score_after_steps_of_learning() -> None:
    """By the steps with which a training begins; a look before them changes nothing."""
    found = untrained(["credit@4", "credit", "naswot@3"], trials={"seeds": 1}).score(SPEC)["by_seed"]
    laboratory = untrained(["credit@4"])
    job, rows = laboratory.job(SPEC, 0), laboratory.train.take(np.arange(12))
    for index in range(4):
        job.step(index // job.steps, index % job.steps)
    look = Look(
        job.model, job.model.images(np.divide(rows.images, 255, dtype=np.float32)), rows.labels, update=4
    )
    assert found["credit@4"] == [SCORES["credit"](look)] != found["credit"]
    assert found["credit"] == untrained(["credit"], trials={"seeds": 1}).score(SPEC)["by_seed"]["credit"]
    with pytest.raises(UsageError, match=r"credit@9: 4 steps are in 2 epochs"):
        untrained(["credit", "credit@9"])


def test_what_lets_nothing_through_has_failed() -> None:
    """NAS-Bench-201's cell of none alone; the search goes on, and no objective of it is good."""
    size = {"cells": 3, "channels": 2}
    score = untrained(["naswot", "jacov"], space={"preset": "nasbench201"}, size=size).score(
        {"genome": [0] * 6}
    )
    assert score["failed"] == "naswot does not exist"
    assert score["objective"] == WORST > score["parameters"] > 0
    search = GeneticSearch((3, 3), Key(0), 2, 2, 3, objectives=["-jacov", "parameters"])
    search.ask()
    search.tell([score, {"-jacov": 40.0, "parameters": 1e6}])
    assert search.living[0].scores == (40.0, 1e6)
    assert search.living[-1].scores == (np.inf, np.inf)


def trial(number: int, *seeds: tuple[float, float], bits: float = 1.0, **more: Any) -> Trial:
    a, b = (list(values) for values in zip(*seeds, strict=True))
    score = {"by_seed": {"a": a, "b": b}, "-a": -np.mean(a), "-b": -np.mean(b), "transported_bits": bits}
    return Trial(number, {"genome": [number]}, score | more, number + 1)


def test_the_best_by_several_objectives() -> None:
    """Sums of ranks: of 0 1 + 4, of 1 2 + 2, of 2 3 + 3, of 3 4 + 1; 2 is dominated by 1, and 4 has failed."""
    rows = [((9, 1), (9, 1)), ((7, 3), (7, 5)), ((5, 2), (5, 2)), ((4, 8), (4, 9))]
    trials = [trial(n, *seeds) for n, seeds in enumerate(rows)]
    trials.append(trial(4, (99, 99), (99, 99), failed="b does not exist", objective=WORST))
    names = ("-a", "-b")
    assert undominated(trials, names) == 3
    assert best_by(trials, names).number == 1
    assert best_by(trials[:1] + trials[4:], names).number == 0
    like = trial(5, (7.5, 4), (6.9, 3))
    assert tied_with([*trials, like], trials[1], names) == [like]
    assert tied_with([trials[1], trial(6, *rows[1], bits=2.0)], trials[1], ("-a", "transported_bits")) == []


def test_populations_are_those_of_a_table() -> None:
    """A score is as cheap as a look-up."""
    asked = {"strategy": "ga", "trials": {"scores": ["naswot"]}}
    config = build(SearchConfig, [search_presets(asked), asked])
    assert config.ga is not None
    assert (config.ga.population, config.evaluations, config.ga.objectives) == (20, 100, ["objective"])
    trained = build(SearchConfig, [search_presets({"strategy": "ga"}), {"strategy": "ga"}])
    assert trained.ga is not None
    assert (trained.ga.population, trained.evaluations) == (8, 16)


# The command


SMALL = [*OPTIONS, "--evaluations", "7", "--set", "trials.images=12"]
THREE = 'trials.scores=["naswot","grad_norm","credit@2"]'


@pytest.mark.parametrize("strategy", ["random", "evolution", "ga"])
def test_every_strategy_takes_one_score(search: InLines, strategy: str) -> None:
    more = {"ga": ["--set", "ga.population=3"], "evolution": ["--set", "evolution={population=3,sample=2}"]}
    code, out, err = search(
        *SMALL,
        *more.get(strategy, []),
        "--strategy",
        strategy,
        "--set",
        'trials.scores=["grad_norm"]',
        "--json",
        "--out",
        "r",
    )
    assert (code, err) == (0, "")
    *events, last = [json.loads(line) for line in out]
    lines = journal("r")
    assert len(lines) == 7
    assert [(e["event"], e["evaluation"], e["evaluations"]) for e in events] == [
        ("evaluation", n, 7) for n in range(1, 8)
    ]
    largest = max(line["score"]["scores"]["grad_norm"] for line in lines)
    assert last["genotype"]["score"]["scores"]["grad_norm"] == largest
    assert last["genotype"]["provenance"]["judged"] == "untrained"
    assert last["genotype"]["provenance"]["trials"]["scores"] == ["grad_norm"]
    assert "front" not in last["genotype"]["score"]
    assert any("judged untrained" in line for line in search("--resume", "r")[1])
    assert "this one has the largest grad_norm of the 7." in told[1](read_genotype(Path("r")))


def test_a_stopped_search_by_several_scores_ends_in_the_same_bytes(search: InLines) -> None:
    asked = [*SMALL, "--strategy", "ga", "--set", THREE, "--space", "nasbench201", "--set", "size.cells=3"]
    asked += ["--rules", "usf,fa", "--set", "ga.population=3", "--set", "ga.children=2"]
    check_that_a_stop_changes_nothing(search, asked, workers=1)
    found = found_in("whole")
    assert found["provenance"]["judged"] == "after at most 2 steps of learning"
    assert found["provenance"]["settings"]["objectives"] == ["-naswot", "-grad_norm", "-credit@2"]
    assert found["score"]["scores"] in [line["score"].get("scores") for line in journal("whole")]
    assert "objective" not in found["score"]
    assert 1 <= found["score"]["front"] <= 7 - found["score"]["failed"]


def test_rules_alone_by_credit_and_bits(search: InLines) -> None:
    """bp everywhere has all the credit, and with such a price none of it counts."""
    assert (
        search(*SMALL, "--strategy", "random", "--set", 'trials.scores=["naswot"]', "--out", "first")[0] == 0
    )
    more = [
        "--genotype",
        "first",
        "--rules",
        "bp,fa",
        "--set",
        'trials.scores=["credit"]',
        "--strategy",
        "ga",
    ]
    assert search(*SMALL, *more, "--out", "free")[0] == 0
    free = found_in("free")
    assert free["score"]["scores"]["credit"] == pytest.approx(1)
    assert {e["rule"] for e in free["normal"] + free["reduce"]} <= {"bp", None}
    both = ["--set", 'ga.objectives=["-credit","transported_bits"]', "--price", "9"]
    assert search(*SMALL, *more, *both, "--out", "dear")[0] == 0
    bits = [line["score"]["transported_bits"] for line in journal("dear")]
    assert found_in("dear")["score"]["transported_bits"] == min(bits) < max(bits)
    assert main(["front", "free"]) == 2


def test_from_python(tmp_path: Path) -> None:
    trials = {"scores": ["naswot", "snip"], "images": 12, "seeds": 1}
    found = bn.run_search(tmp_path / "r", strategy="ga", epochs=2, evaluations=2, trials=trials, **TINY)
    assert set(found.score["scores"]) == {"naswot", "snip"}
    assert found.score["ties"] == 1


GA = ["--strategy", "ga", "--set"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([*GA, 'trials.scores=["naswut"]'], 'score "naswut" is unknown. Did you mean "naswot"?'),
        ([*GA, 'trials.scores=["ntk@x"]'], "names no number of steps"),
        ([*GA, 'trials.scores=["ntk","ntk"]'], "names ntk twice"),
        ([*GA, 'trials.scores=["ntk","snip"]', "--price", "1"], "transported_bits"),
        ([*GA, 'trials.scores=["ntk"]', "--set", "trials.objective=error"], "trains nothing"),
        ([*GA, 'trials.scores=["ntk"]', "--device", "cuda"], "on the CPU"),
        ([*GA, 'trials.scores=["ntk"]', "--set", 'ga.objectives=["validation_loss"]'], "objective, -ntk"),
        ([*GA, 'trials.scores=["ntk"]', "--set", 'ga.objectives=["ntk"]'], 'Did you mean "-ntk"?'),
        ([*GA, 'ga.objectives=["-ntk"]'], "-ntk is not known"),
        ([*GA, 'ga.objectives=["parameters","parameters"]'], "names one twice"),
        ([*GA, 'trials.scores=["ntk"]', "--set", "trials.images=4000"], "half of the training images"),
        ([*GA, 'trials.scores=["ntk@900"]', "--epochs", "1"], "Use more --epochs"),
        ([*GA, "trials.images=64"], "Add trials.scores"),
        (["--strategy", "random", "--set", THREE], "has one objective"),
        (["--strategy", "halving", "--set", 'trials.scores=["ntk"]'], "no length to halve"),
        (["--strategy", "eg", "--set", 'trials.scores=["ntk"]'], "trials.* is for searches that train"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(search: InLines, arguments: list[str], said: str) -> None:
    check_refused(search(*arguments), said)
