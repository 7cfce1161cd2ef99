"""Searches that train their candidates: spaces, scores, workers that die, resuming, refusals."""

import json
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bionas_cupy.analysis.subject import open_subject
from bionas_cupy.cli.main import main
from bionas_cupy.cli.trials_result import why
from bionas_cupy.engine.errors import DataError, UsageError
from bionas_cupy.engine.random import Key
from bionas_cupy.search.ask_tell import Trial
from bionas_cupy.search.config import SearchConfig, build
from bionas_cupy.search.genotype import Genotype, read_genotype
from bionas_cupy.search.genotype201 import Genotype201
from bionas_cupy.search.image_shape import ImageShape
from bionas_cupy.search.space import candidates
from bionas_cupy.search.strategies.strategy import Score, Spec, random_genome
from bionas_cupy.search.training import scores_on
from bionas_cupy.search.trials import workers
from bionas_cupy.search.trials.cluster import check_address
from bionas_cupy.search.trials.decisions import DartsDecisions, Decisions201, RuleDecisions, WithParts
from bionas_cupy.search.trials.executor import one_thread, opened
from bionas_cupy.search.trials.laboratory import WORST, Laboratory, training_images
from bionas_cupy.search.trials.settings import rungs
from bionas_cupy.search.trials.setup import setup_of, space_of
from bionas_cupy.search.trials.ties import tied_with
from bionas_cupy.search.trials.workers import Processes, answer_to

import bionas_cupy as bn

DIGITS = ImageShape(1, 8, 8, 10)
ROLES = {"stem": "bp", "preprocess": "bp", "reduce": "usf", "auxiliary": "bp", "classifier": "bp"}


def configured(**settings: Any) -> SearchConfig:
    """Trainings of a tenth of a second."""
    small = {
        "epochs": 1,
        "batch": 20,
        "size": {"nodes": 1, "cells": 1, "channels": 2},
        "data": {"subset": 80},
    }
    return build(SearchConfig, [{"strategy": "random", **small}, settings])


def made(config: SearchConfig) -> Laboratory:
    return Laboratory(config, space_of(config, None), training_images(config))


# Spaces


def test_darts_decisions_reach_every_cell_once() -> None:
    """Two nodes, two candidates: 1·2·2 ways to fill the first node, 3·2·2 the second, both cells alike."""
    space = DartsDecisions(candidates(("none", "skip_connect", "dil_conv_3x3"), ("fa",)), 2)
    assert space.sizes == (1, 2, 2, 3, 2, 2) * 2
    cells = {str(space.genotype((*g, *[0] * 6)).normal) for g in np.ndindex(space.sizes[:6])}
    assert len(cells) == 4 * 12
    for g in np.ndindex(space.sizes[:6]):
        found = space.genotype((*[0] * 6, *g))
        pairs = [[e.source for e in found.reduce if e.node == node] for node in (2, 3)]
        assert pairs[0] == [0, 1]
        assert pairs[1] in ([0, 1], [0, 2], [1, 2])
        assert all((e.rule == "fa") == (e.op == "dil_conv_3x3") for e in found.reduce)


def test_rules_on_a_fixed_architecture_change_nothing_else() -> None:
    drawn = DartsDecisions(candidates(rules=("bp",)), 3).genotype(
        random_genome(DartsDecisions(candidates(rules=("bp",)), 3).sizes, Key(5))
    )
    weighted = [e for e in (*drawn.normal, *drawn.reduce) if e.rule]
    space = RuleDecisions(drawn, ["fa", "usf", "bp"])
    assert space.sizes == (3,) * len(weighted)
    genome = random_genome(space.sizes, Key(6))
    found = space.genotype(genome)
    assert isinstance(found, Genotype)
    assert [e.rule for e in (*found.normal, *found.reduce) if e.rule] == [
        ["fa", "usf", "bp"][k] for k in genome
    ]
    assert [(e.node, e.source, e.op) for e in found.normal] == [
        (e.node, e.source, e.op) for e in drawn.normal
    ]
    assert space.genotype([2] * len(weighted)).normal == drawn.normal
    assert [{e.rule for e in space.genotype(s).normal if e.rule} for s in space.starts] == [
        {"fa"},
        {"usf"},
        {"bp"},
    ]
    cell = "|nor_conv_3x3:fa~0|+|none~0|nor_conv_1x1:bp~1|+|skip_connect~0|none~1|avg_pool_3x3~2|"
    of_cell = RuleDecisions(Genotype201(cell=cell), ["usf", "bp"])
    assert of_cell.sizes == (2, 2)
    assert str(of_cell.genotype((1, 0)).to_json()["cell"]) == cell.replace("fa", "bp").replace(
        "1x1:bp", "1x1:usf"
    )
    with pytest.raises(UsageError, match="no edge with weights"):
        RuleDecisions(Genotype201(cell="|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"), ["bp"])


def test_parts_choose_their_rules_too() -> None:
    space = WithParts(Decisions201(["oja", "bp"]), ["stem", "classifier"], ["oja", "bp"], ROLES)
    assert space.sizes == (*(7,) * 6, 2, 1)  # oja hears of no label
    found = space.genotype((0, 0, 0, 0, 0, 6, 0, 0))
    assert found.rules == {"stem": "oja", "reduce": "usf", "classifier": "bp"}
    fixed = RuleDecisions(
        Genotype201(cell="|nor_conv_3x3:fa~0|+|none~0|none~1|+|none~0|none~1|none~2|"), ["oja", "bp"]
    )
    starts = WithParts(fixed, ["stem", "classifier"], ["oja", "bp"], {}).starts
    assert starts == [
        (0, 0, 0),
        (1, 1, 0),
    ]  # oja and its stem, with the only rule that teaches a classifier; bp
    assert space.nothing is None  # the first alternative of a part is a rule, no empty edge
    assert WithParts(Decisions201(["bp"]), [], ["bp"], ROLES).nothing == 0
    with pytest.raises(UsageError, match='"preprocess" is no part'):
        WithParts(Decisions201(["bp"]), ["preprocess"], ["bp"], ROLES)
    with pytest.raises(UsageError, match="hears of the labels"):
        WithParts(Decisions201(["oja"]), ["classifier"], ["oja"], ROLES)


# Scores


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


# Workers


def genomes(count: int) -> list[Spec]:
    sizes = made(configured()).decisions.sizes
    return [{"genome": list(random_genome(sizes, Key(n)))} for n in range(count)]


def scored(config: SearchConfig, specs: Sequence[Spec]) -> list[Score]:
    laboratory = made(config)
    setup = setup_of(config, None, training_images(config))
    with opened(config, setup, laboratory, lambda: False) as scores:
        return list(scores(specs))


def test_a_worker_that_is_killed_changes_no_score() -> None:
    """One of two, while it has a candidate."""
    specs, config = genomes(5), configured(workers=1)
    serial = scored(config, specs)
    with Processes(setup_of(config, None, training_images(config)), 2) as processes:
        scores = processes.scores(specs)
        found = [next(scores)]
        victim = processes.workers[1].process
        victim.kill()
        found += scores
        assert processes.workers[1].process is not victim
    assert found == serial
    assert all(worker.process.exitcode is not None for worker in processes.workers)


def test_a_candidate_that_kills_its_workers_is_marked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rule that ends its process, in the file of a user; the other candidate is scored as ever."""
    text = '''
import os
from bionas_cupy import Rule
class Deadly(Rule):
    """deadly: B = W, until it ends its process."""
    name = "deadly"
    bits = 32.0
    def feedback_weights(self, W, state):
        os._exit(9)
'''
    (tmp_path / "deadly.py").write_text(text)
    config = configured(space={"rules": ["bp", str(tmp_path / "deadly.py")]}, trials={"seeds": 1})
    laboratory = made(config)
    bad = next(k for k, c in enumerate(laboratory.decisions.inner.candidates) if c.rule == "deadly")
    setup = setup_of(config, None, training_images(config))
    (tmp_path / "deadly.py").write_text("raise SystemExit")  # the text of the beginning counts
    assert workers.DEATHS == 3
    monkeypatch.setattr(workers, "DEATHS", 2)  # each takes a second
    with Processes(setup, 1) as processes:
        first, second = processes.scores(
            [{"genome": [0, bad, bad, 0, bad, bad]}, {"genome": [0, 0, 0, 0, 0, 0]}]
        )
    assert first["failed"] == "2 workers died"
    assert first["objective"] == WORST
    assert second == made(configured(space={"rules": ["bp"]}, trials={"seeds": 1})).score({"genome": [0] * 6})


def test_a_worker_with_other_images_is_refused() -> None:
    config = configured()
    setup = json.loads(setup_of(config, None, training_images(config))) | {"images": "0" * 64}
    with one_thread():
        answer = answer_to({"genome": [0] * 6}, json.dumps(setup))
    assert isinstance(answer, DataError)
    assert "not the coordinator's" in str(answer)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("tcp://10.0.0.7:8786", "tls://10.0.0.7:8786"),
        ("node7:8786", "tls://node7:8786"),
        ("localhost.evil.org:8786", "neither encrypted"),
        ("tcp://127.0.0.1", "no address"),
        ("http://127.0.0.1:80", "no address"),
        ("tcp://127.0.0.1:x", "cannot be read"),
    ],
)
def test_addresses_that_are_refused(address: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        check_address(address)


def test_addresses_that_are_taken() -> None:
    taken = [
        "tcp://127.0.0.1:8786",
        "localhost:8786",
        "tcp://[::1]:8786",
        "tls://10.0.0.7:8786",
        "127.8.9.1:1",
    ]
    assert [check_address(a).rpartition(":")[2] for a in taken] == ["8786", "8786", "8786", "8786", "1"]


# The command


Run = Callable[..., tuple[int, list[str], str]]
SMALL = [
    *("--epochs", "4", "--batch", "20", "--subset", "80", "--workers", "1", "--set", "trials.seeds=1"),
    *("--set", "size.nodes=1", "--set", "size.cells=1", "--set", "size.channels=2"),
]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, list[str], str]:
        code = main(["search", "-q", *arguments])
        out, err = capsys.readouterr()
        return code, out.splitlines(), err

    return run


def journal(path: str) -> list[dict[str, Any]]:
    return [json.loads(line) | {"time": ""} for line in Path(path, "journal.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("strategy", ["random", "evolution", "ga", "halving"])
def test_every_strategy_trains(run: Run, strategy: str) -> None:
    more = ["--set", f"{strategy}.population=3"] if strategy in ("evolution", "ga") else []
    code, out, err = run(*SMALL, *more, "--strategy", strategy, "--evaluations", "5", "--json", "--out", "r")
    assert (code, err) == (0, "")
    *events, last = [json.loads(line) for line in out]
    lines = journal("r")
    assert [e["candidate"] for e in events] == list(range(1, len(lines) + 1))
    assert (
        events[-1]["spent"]
        == sum(line["spec"].get("budget", 4) for line in lines)
        <= 20
        == events[-1]["limit"]
    )
    longest = [line for line in lines if line["spec"].get("budget", 4) == 4]
    best = min(longest, key=lambda line: line["score"]["objective"])
    genotype = last["genotype"]
    assert genotype["score"]["objective"] == best["score"]["objective"]
    assert genotype["score"]["compared"] == len(longest) - 1 == genotype["score"]["ties"]
    assert Genotype.model_validate(genotype).network(DIGITS, 4, 3)
    assert "workers" not in Path("r/run.toml").read_text()  # a resumed run may have others
    if strategy == "halving":
        assert [line["spec"]["budget"] for line in lines] == [1] * 6 + [2] * 3 + [4]
    assert run("--resume", "r", "--workers", "2")[0] == 0  # finished: nobody is started
    assert any("flatters it" in line for line in run("--resume", "r")[1])
    with pytest.raises(UsageError, match=r'Name what it found: "r/genotype\.json"'):
        open_subject("r", {})


def test_a_stopped_search_ends_in_the_same_bytes(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped by a signal in the midst of the fifth candidate, resumed with two processes."""
    asked = [
        *SMALL,
        "--strategy",
        "halving",
        "--evaluations",
        "5",
        "--space",
        "nasbench201",
        "--set",
        "size.cells=3",
    ]
    assert run(*asked, "--out", "whole")[0] == 0
    original, calls = Laboratory.score, []

    def score(self: Laboratory, spec: Spec, stopped: Callable[[], bool]) -> Score:
        calls.append(spec)
        if len(calls) == 5:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(self, spec, stopped)

    monkeypatch.setattr(Laboratory, "score", score)
    code, _, err = run(*asked, "--out", "stopped")
    assert code == 143
    assert "after 4 candidates" in err
    assert len(journal("stopped")) == 4
    monkeypatch.setattr(Laboratory, "score", original)
    assert run("--resume", "stopped", "--workers", "2")[0] == 0
    assert Path("stopped/genotype.json").read_bytes() == Path("whole/genotype.json").read_bytes()
    assert journal("stopped") == journal("whole")


def test_rules_for_the_operations_of_a_genotype(run: Run) -> None:
    assert run(*SMALL, "--strategy", "random", "--evaluations", "2", "--out", "first")[0] == 0
    fixed = json.loads(Path("first/genotype.json").read_text())
    more = ["--genotype", "first", "--rules", "bp,fa", "--set", 'space.parts=["stem"]', "--price", "9"]
    code, _out, err = run(*SMALL, "--strategy", "random", "--evaluations", "6", *more, "--out", "r")
    assert (code, err) == (0, "")
    found = json.loads(Path("r/genotype.json").read_text())
    assert [e["op"] for e in found["normal"]] == [e["op"] for e in fixed["normal"]]
    assert {e["rule"] for e in found["normal"] + found["reduce"]} <= {"bp", "fa", None}
    assert found["rules"]["classifier"] == "bp"
    scores = [line["score"] for line in journal("r")]
    assert found["score"]["transported_bits"] == min(
        s["transported_bits"] for s in scores
    )  # such a price decides
    Path("first/genotype.json").unlink()  # the run has it
    assert run("--resume", "r")[0] == 0


def test_a_candidate_without_a_rival_is_not_called_better(run: Run) -> None:
    code, _out, err = run(*SMALL, "--epochs", "1", "--strategy", "random", "--evaluations", "1", "--out", "r")
    assert (code, err) == (0, "")
    told = why(read_genotype(Path("r")))
    assert "No other one was trained as long" in told
    assert "interval" not in told
    assert "1 epochs" not in told


def test_from_python(tmp_path: Path) -> None:
    """In this process, unless workers are asked for."""
    small: dict[str, Any] = {"epochs": 1, "batch": 20, "data": {"subset": 80}, "trials": {"seeds": 1}}
    size = {"nodes": 1, "cells": 1, "channels": 2}
    found = bn.run_search(tmp_path / "r", strategy="ga", evaluations=2, size=size, **small)
    assert found.score["candidates"] == 2
    assert found.provenance["settings"]["population"] == 8


def test_nothing_finite_is_found(run: Run) -> None:
    lr = ["--set", "optimiser.lr=1e30", "--set", "optimiser.clip=0.0"]
    code, _, err = run(*SMALL, *lr, "--strategy", "random", "--evaluations", "2", "--out", "r")
    assert code == 6
    assert "All 2 candidates failed" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--strategy", "random", "--alpha", "lookahead"], "are of a supernet"),
        (["--strategy", "random", "--weights", "shared"], "are of a supernet"),
        (["--strategy", "halving", "--epochs", "2"], "not all different"),
        (["--strategy", "ga", "--scheduler", "tcp://127.0.0.1:1"], "Add --executor dask"),
        (["--strategy", "ga", "--executor", "dask"], "Add --scheduler"),
        (["--strategy", "ga", "--executor", "dask", "--scheduler", "10.0.0.1:8786"], "tls://10.0.0.1:8786"),
        (["--genotype", "g.json"], "--genotype is for searches that train"),
        (["--workers", "2"], "--workers is for searches that train"),
        (["--set", 'space.parts=["stem"]'], "space.parts is for searches that train"),
        (["--strategy", "ga", "--genotype", "g.json", "--space", "paper"], "operations of its own"),
        (["--strategy", "ga", "--genotype", "g.json", "--set", "rules.stem=fa"], "fixed parts itself"),
        (["--strategy", "ga", "--genotype", "g.json"], "cannot be read"),
        (["--strategy", "ga", "--rules", "pc"], "whole network"),
        (["--strategy", "ga", "--set", "rules.classifier=oja"], "classifier would learn none"),
        (
            ["--strategy", "ga", "--set", "ga.population=1e9"],
            "ga.population: input should be less than or equal to",
        ),
        (["--strategy", "random", "--evaluations", "1000000000"], "evaluations: input should be less than"),
        (["--strategy", "ga", "--batch", "4000"], "larger than the 719 images"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(run: Run, arguments: list[str], said: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, [])
    assert said in err
    assert len(err.splitlines()) == 1
    assert not Path("runs").exists() or not list(Path("runs").iterdir())
