"""Searches over a table: the reader, the command, refusals, stopping."""

import csv
import gzip
import itertools
import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bionas_cupy.benchmarks import table_search
from bionas_cupy.data.table import Table
from bionas_cupy.engine.errors import DataError
from bionas_cupy.search import candidate_journal
from bionas_cupy.search.nasbench201 import CellDecisions
from bionas_cupy.search.table_evaluator import parameters, percent
from cli_cases import InLines, check_refused, journal

GOOD = (3, 3, 3, 1, 2, 3)


def made_up(genome: tuple[int, ...]) -> float:
    """A smooth accuracy: 90 % less 5 for each edge that differs from GOOD, and a little by the genome."""
    wrong = sum(a != b for a, b in zip(genome, GOOD, strict=True))
    return 90 - 5 * wrong + 0.01 * sum(g * (i + 1) for i, g in enumerate(genome))


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All 15,625 cells with accuracies of our own making."""
    space = CellDecisions()
    path = tmp_path_factory.mktemp("table") / "cells.csv.xz"
    with lzma.open(path, "wt", newline="", preset=0) as file:
        rows = csv.writer(file)
        rows.writerow(["arch", "c10_val12", "c10_val200_1run", "c10_test200", "partly"])
        for genome in itertools.product(*map(range, space.sizes)):
            a = made_up(genome)
            rows.writerow([space.cell(genome).plain, a - 9, a - 1, a, ""])
    return path


def on(table: Path, *more: str) -> list[str]:
    return ["--space", "nasbench201", "--table", str(table), *more]


@pytest.mark.parametrize("packed", ["t.csv", "t.csv.gz", "t.csv.xz"])
def test_the_reader(tmp_path: Path, packed: str) -> None:
    text = "\ufeffarch,a,b\nx,1.5,\ny,-2,nan\n".encode()
    opened = {".csv": open, ".gz": gzip.open, ".xz": lzma.open}[Path(packed).suffix]
    with opened(tmp_path / packed, "wb") as file:
        file.write(text)
    found = Table(tmp_path / packed, "arch")
    assert (len(found), list(found)) == (2, ["x", "y"])
    assert [found.column("a")[key] for key in found] == [1.5, -2]
    for key in ("x", "y"):
        with pytest.raises(DataError, match=f"under b of {key}, no number"):
            found.column("b")[key]
    with pytest.raises(DataError, match='no row "z"'):
        found.column("a")["z"]
    with pytest.raises(DataError, match=r'no column "A1".*"a"'):
        found.column("A1")


@pytest.mark.parametrize(
    ("contents", "said"),
    [
        (b"arch,a\nx,1\nx,2\n", "line 3.*second time"),
        (b"arch,a\nx\n", "line 2: 1 values, 2 are expected"),
        (b"name,a\nx,1\n", 'no column "arch"'),
        (b"", "is empty"),
        (b"arch,\xff\n", "cannot be read"),
    ],
)
def test_tables_that_are_wrong(tmp_path: Path, contents: bytes, said: str) -> None:
    (tmp_path / "t.csv").write_bytes(contents)
    with pytest.raises(DataError, match=said):
        Table(tmp_path / "t.csv", "arch")
    (tmp_path / "t.csv.xz").write_bytes(contents)
    with pytest.raises(DataError, match=r"cannot be read|no column|is empty"):
        Table(tmp_path / "t.csv.xz", "arch")


@pytest.mark.parametrize("number", ["-0.1", "100.5"])
def test_accuracies_are_percentages(tmp_path: Path, number: str) -> None:
    (tmp_path / "t.csv").write_text(f"arch,a\nx,{number}\ny,100\nz,0\n")
    column = Table(tmp_path / "t.csv", "arch").column("a")
    assert (percent(column, "y"), percent(column, "z")) == (100, 0)
    with pytest.raises(DataError, match="under a of x, no percentage"):
        percent(column, "x")


def test_what_a_strategy_does_not_look_at_need_not_be_there(search: InLines, table: Path) -> None:
    """Only halving looks at the second column of validation accuracies."""
    missing = ["--set", "table.search=['c10_val12', 'elsewhere']"]
    assert search(*on(table, *missing, "--strategy", "random", "--evaluations", "3", "--out", "r"))[0] == 0
    check_refused(search(*on(table, *missing, "--strategy", "halving")), 'no column "elsewhere"', 3)


def test_parameters_do_not_depend_on_the_edge() -> None:
    assert parameters(
        ("avg_pool_3x3", "none", "nor_conv_1x1", "nor_conv_3x3", "nor_conv_3x3", "skip_connect")
    ) == (73_306 + 28_000 + 2 * 243_040)


@pytest.mark.parametrize("strategy", ["random", "evolution", "ga", "eg", "halving"])
def test_every_strategy_on_a_table(search: InLines, table: Path, strategy: str) -> None:
    code, out, err = search(*on(table, "--strategy", strategy, "--evaluations", "60", "--json", "--out", "r"))
    assert code == 0, err
    assert err == ""
    events = [json.loads(line) for line in out]
    assert [e["evaluation"] for e in events[:-1]] == list(range(1, len(events)))
    genotype = events[-1]["genotype"]
    space = CellDecisions()
    lines = journal("r")
    budget = max(line["spec"].get("budget", 0) for line in lines)
    final = [line for line in lines if line["spec"].get("budget", 0) == budget]
    best = max(final, key=lambda line: line["score"]["validation_accuracy"])
    assert genotype["cell"].replace(":bp", "") == space.cell(best["spec"]["genome"]).plain
    assert genotype["score"]["test_accuracy"] == pytest.approx(made_up(tuple(best["spec"]["genome"])))
    assert genotype["score"]["spent"] <= 60
    assert genotype["provenance"]["strategy"] == strategy
    code, out, _ = search("--resume", "r")
    assert code == 0
    assert any(genotype["cell"].replace(":bp", "") in line for line in out)
    assert "test_accuracy" not in Path("r/journal.jsonl").read_text()


def test_a_stopped_search_ends_in_the_same_bytes(
    search: InLines, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after 25 evaluations, of which the last checkpoint knows 20."""
    asked = on(table, "--strategy", "ga", "--evaluations", "60")
    assert search(*asked, "--out", "whole")[0] == 0

    class Killed(BaseException):
        pass

    def keeper(folder: Any, *rest: Any) -> Callable[[Any, bool], None]:
        inner = original(folder, *rest)

        def told(trial: Any, new: bool) -> None:
            inner(trial, new)
            if trial.number == 19:
                candidate_journal.save(folder, 20)
            if trial.number == 24:
                raise Killed

        return told

    original = candidate_journal.keeper
    monkeypatch.setattr("bionas_cupy.search.table_run.keeper", keeper)
    with pytest.raises(Killed):
        search(*asked, "--out", "killed")
    monkeypatch.setattr("bionas_cupy.search.table_run.keeper", original)
    assert search("--resume", "killed")[0] == 0
    assert Path("killed/genotype.json").read_bytes() == Path("whole/genotype.json").read_bytes()
    assert journal("killed") == journal("whole")


def test_a_changed_table_is_refused(search: InLines, table: Path, tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    own = tmp_path / "own.csv"
    own.write_bytes(lzma.decompress(table.read_bytes()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(candidate_journal, "EVERY", 0.0)
        patch.setattr("bionas_cupy.search.table_run.measure", _raise(Killed))
        with pytest.raises(Killed):
            search(*on(own, "--strategy", "random", "--evaluations", "5", "--out", "r"))
    with own.open("a") as file:
        file.write("more,1,1,1,1\n")
    code, _, err = search("--resume", "r")
    assert code == 3
    assert "data changed" in err


def _raise(kind: type[BaseException]) -> Callable[..., None]:
    def raising(*_: object) -> None:
        raise kind

    return raising


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--strategy", "darts", "--table", "T"], 2, "a table holds accuracies without gradients"),
        (["--space", "nasbench201"], 2, "no supernet of --space nasbench201"),
        (["--strategy", "eg", "--space", "nasbench201"], 2, "eg has no supernet of --space nasbench201"),
        (["--strategy", "ga", "--table", "T"], 2, "add --space nasbench201 --table FILE"),
        (["--strategy", "ga", "--space", "nasbench201", "--table", "T", "--rules", "fa"], 2, "learned by bp"),
        (
            ["--strategy", "ga", "--space", "nasbench201", "--table", "T", "--set", "eg.move=1"],
            2,
            "settings of --strat",
        ),
        (["--strategy", "ga", "--space", "nasbench201", "--table", "T", "--set", "ga.aeg=1"], 2, "ga.age"),
        (
            ["--strategy", "ga", "--space", "nasbench201", "--table", "T", "--set", "table.epochs=[2,1]"],
            2,
            "ascending",
        ),
        (
            ["--strategy", "ga", "--space", "nasbench201", "--table", "T", "--set", "table.search=['x']"],
            2,
            "1 ascend",
        ),
        (["--strategy", "ga", "--space", "nasbench201", "--set", "table.report=x"], 2, "--table FILE"),
        (["--evaluations", "3"], 2, "Use --epochs"),
        (
            [
                "--strategy",
                "ga",
                "--space",
                "nasbench201",
                "--table",
                "T",
                "--epochs",
                "3",
                "--data",
                "mnist",
            ],
            2,
            "--data, --epochs with --table",
        ),
        (
            ["--strategy", "ga", "--space", "nasbench201", "--table", "missing.csv"],
            3,
            "is missing. A table is CSV",
        ),
        (
            ["--strategy", "ga", "--space", "nasbench201", "--table", "T", "--set", "table.report=x"],
            3,
            'no column "x"',
        ),
        (
            [
                *("--strategy", "random", "--space", "nasbench201", "--table", "T"),
                *("--set", "table.search=['partly']", "--set", "table.epochs=[1]"),
            ],
            3,
            "no number",
        ),
        (
            [
                *("--strategy", "halving", "--space", "nasbench201", "--table", "T"),
                *("--set", "table.search=['c10_val12']", "--set", "table.epochs=[1]"),
            ],
            2,
            "two columns or more",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    search: InLines, table: Path, arguments: list[str], code: int, said: str
) -> None:
    check_refused(search(*(str(table) if each == "T" else each for each in arguments)), said, code)


def test_the_comparison_of_strategies(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Validation only grows, and the test accuracy is that of the cell that validation chose."""
    monkeypatch.setattr(table_search, "MOMENTS", (5, 40))
    read = Table(table, "arch")
    seen = [table_search.search(read, "ga", {}, range(2), validation) for validation in (True, False)]
    validation, test = (each.accuracies for each in seen)
    assert validation.shape == (2, 40)
    assert (np.diff(validation) >= 0).all()
    assert (validation[:, -1] > validation[:, 4]).all()
    np.testing.assert_allclose(test - validation, 9)
    assert table_search.figures(np.array([1.0, 3.0])) == "2.00 ± 1.00"
    told = table_search.beside(np.array([1.0, 2.0, 3.0, 0.0, -1.0, 1.0]))
    assert told == "+1.000 (-0.484 to +2.484) | 4, 1, 1 | too few differ"
    assert table_search.beside(np.arange(1.0, 7)).endswith("6, 0, 0 | 0.031")
