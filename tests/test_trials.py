"""`search` with candidates that are trained: every strategy, resuming, refusals."""

import json
from pathlib import Path
from typing import Any

import pytest
from bionas_cupy.analysis.subject import open_subject
from bionas_cupy.cli.found import training_options
from bionas_cupy.cli.trials_result import why
from bionas_cupy.engine.errors import UsageError
from bionas_cupy.search.genotype import Genotype, read_genotype
from bionas_cupy.search.image_shape import ImageShape
from cli_cases import InLines, check_refused, found_in, journal
from trial_cases import OPTIONS, TINY, check_that_a_stop_changes_nothing, configured

import bionas_cupy as bn

DIGITS = ImageShape(1, 8, 8, 10)
SMALL = [*OPTIONS, "--epochs", "4", "--set", "trials.seeds=1"]


@pytest.mark.parametrize("strategy", ["random", "evolution", "ga", "halving"])
def test_every_strategy_trains(search: InLines, strategy: str) -> None:
    more = ["--set", f"{strategy}.population=3"] if strategy in ("evolution", "ga") else []
    code, out, err = search(
        *SMALL, *more, "--strategy", strategy, "--evaluations", "5", "--json", "--out", "r"
    )
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
    assert search("--resume", "r", "--workers", "2")[0] == 0  # finished: nobody is started
    assert any("flatters it" in line for line in search("--resume", "r")[1])
    with pytest.raises(UsageError, match=r'Name what it found: "r/genotype\.json"'):
        open_subject("r", {})


def test_a_stopped_search_ends_in_the_same_bytes(search: InLines) -> None:
    cells = ["--space", "nasbench201", "--set", "size.cells=3"]
    asked = [*SMALL, "--strategy", "halving", "--evaluations", "5", *cells]
    check_that_a_stop_changes_nothing(search, asked, workers=2)


def test_rules_for_the_operations_of_a_genotype(search: InLines) -> None:
    assert search(*SMALL, "--strategy", "random", "--evaluations", "2", "--out", "first")[0] == 0
    fixed = found_in("first")
    more = ["--genotype", "first", "--rules", "bp,fa", "--set", 'space.parts=["stem"]', "--price", "9"]
    code, _out, err = search(*SMALL, "--strategy", "random", "--evaluations", "6", *more, "--out", "r")
    assert (code, err) == (0, "")
    found = found_in("r")
    assert [e["op"] for e in found["normal"]] == [e["op"] for e in fixed["normal"]]
    assert {e["rule"] for e in found["normal"] + found["reduce"]} <= {"bp", "fa", None}
    assert found["rules"]["classifier"] == "bp"
    scores = [line["score"] for line in journal("r")]
    assert found["score"]["transported_bits"] == min(
        s["transported_bits"] for s in scores
    )  # such a price decides
    Path("first/genotype.json").unlink()  # the run has it
    assert search("--resume", "r")[0] == 0


def test_a_candidate_without_a_rival_is_not_called_better(search: InLines) -> None:
    code, _out, err = search(
        *SMALL, "--epochs", "1", "--strategy", "random", "--evaluations", "1", "--out", "r"
    )
    assert (code, err) == (0, "")
    told = why(read_genotype(Path("r")))
    assert "No other one was trained as long. It has nothing to be compared with" in told
    assert "interval" not in told
    assert "1 epochs" not in told


def test_what_was_found_is_to_be_trained_on_the_same_data() -> None:
    assert training_options(configured()) == ["--epochs", "50"]
    on = configured(data={"name": "cifar10", "dir": "/my data"})
    assert training_options(on) == ["--data", "cifar10", "--data-dir", "/my data", "--epochs", "50"]


def test_from_python(tmp_path: Path) -> None:
    """In this process, unless workers are asked for."""
    more: dict[str, Any] = {"epochs": 1, "trials": {"seeds": 1}, **TINY}
    found = bn.run_search(tmp_path / "r", strategy="ga", evaluations=2, **more)
    assert found.score["candidates"] == 2
    assert found.provenance["settings"]["population"] == 8


def test_nothing_finite_is_found(search: InLines) -> None:
    lr = ["--set", "optimiser.lr=1e30", "--set", "optimiser.clip=0.0"]
    code, _, err = search(*SMALL, *lr, "--strategy", "random", "--evaluations", "2", "--out", "r")
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
def test_what_cannot_be_is_refused_in_one_line(search: InLines, arguments: list[str], said: str) -> None:
    check_refused(search(*arguments), said)
