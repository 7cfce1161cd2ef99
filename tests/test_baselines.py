"""Baselines: which trainings they are, what is frozen, and the command that runs, resumes and compares them."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bionas_cupy.data.load import load
from bionas_cupy.engine import backend
from bionas_cupy.engine.errors import StoppedError, UsageError
from bionas_cupy.engine.random import Key
from bionas_cupy.engine.stopping import Stopping
from bionas_cupy.search.baselines import baselines, top_block, usual_rules
from bionas_cupy.search.config import TrainConfig, build
from bionas_cupy.search.genotype import Genotype
from bionas_cupy.search.genotype201 import Genotype201
from bionas_cupy.search.image_shape import ImageShape
from bionas_cupy.search.many_trainings import train_all
from bionas_cupy.search.train_run import summary
from bionas_cupy.search.training import Training
from cli_cases import Command, InLines, check_refused

EDGES = [
    {"node": 2, "from": 0, "op": "dil_conv_3x3", "rule": "fa"},
    {"node": 2, "from": 1, "op": "skip_connect", "rule": None},
]
FOUND = Genotype.model_validate(
    {
        "normal": EDGES,
        "reduce": EDGES,
        "concat": [2],
        "rules": {"stem": "usf"},
        "provenance": {"rules": ["fa", "usf"]},
    }
)


def test_rows() -> None:
    rules = usual_rules(FOUND)
    assert rules == ["bp", "fa", "usf"]
    found = baselines(FOUND, rules, [0, 1, 2], cells=6)
    assert [one.row for one in found[:7]] == ["found", "bp", "fa", "usf", "random", "top", "frozen"]
    by_row = {one.row: one for one in found if one.seed == 1}
    assert by_row["found"].genotype == FOUND
    for rule in rules:
        cells = by_row[rule].genotype
        assert {e.rule for e in cells.normal + cells.reduce} == {rule, None}
        assert cells.rules == FOUND.rules
    assert by_row["top"].settings == {"learn_from": "cell5"}
    assert by_row["frozen"].settings == {"learn_from": "classifier"}
    assert by_row["top"].genotype.rules == {"stem": "bp"}
    beside = baselines(FOUND, rules, [4], 6, {"ga-1": by_row["usf"].genotype})
    assert [one.row for one in beside][:2] == ["found", "ga-1"]
    assert beside[1].genotype == by_row["usf"].genotype
    with pytest.raises(UsageError, match='Two rows would be named "usf"'):
        baselines(FOUND, rules, [4], 6, {"usf": FOUND})
    drawn = [
        [e.rule for e in one.genotype.normal + one.genotype.reduce] for one in found if one.row == "random"
    ]
    assert len({str(each) for each in drawn}) > 1  # the first edge of each cell is drawn among three
    assert [e.op for e in by_row["random"].genotype.normal] == [e.op for e in FOUND.normal]


@pytest.mark.parametrize(("cells", "block"), [(None, "cell6"), (3, "cell2"), (20, "cell14"), (1, "cell0")])
def test_the_top_is_what_lies_above_the_last_reduction(cells: int | None, block: str) -> None:
    """Or the last cell, where the last reduction is the last cell."""
    assert top_block(FOUND, cells) == block
    network = FOUND.network(ImageShape(1, 8, 8, 10), 4, cells)
    assert block in dict(network.children())
    assert top_block(Genotype201(cell="|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"), 3) == "stage2_cell0"


def trained(
    block: str | None, steps: int = 3, **settings: Any
) -> tuple[Training, dict[str, Any], dict[str, Any]]:
    """A few steps of the genotype above, by BP; weights by name before and after them."""
    small = {
        "size": {"channels": 4, "cells": 3},
        "batch": 20,
        "data": {"subset": 60},
        "epochs": 1,
        "rule": "bp",
    }
    config = build(TrainConfig, [{"model": "x", "learn_from": block, **small}, settings])
    job = Training(config, FOUND, load("digits").train.subset(60, Key(0)), backend.cpu())
    weights = {p.name: p.value for p in job.model.arena.parameters}
    before = {name: value.copy() for name, value in weights.items()}
    for index in range(steps):
        job.step(0, index)
    return job, before, weights


@pytest.mark.parametrize("block", ["cell1", "classifier"])
def test_what_is_frozen_stays_and_the_rest_learns(block: str) -> None:
    _, before, after = trained(block)
    names = list(before)
    first = next(k for k, name in enumerate(names) if name.startswith(block))
    assert first > 3
    for name in names[:first]:
        np.testing.assert_array_equal(after[name], before[name], err_msg=name)
    for name in names[first:]:
        assert not np.array_equal(after[name], before[name]), name


def test_what_is_frozen_is_not_counted_where_the_gradient_is_clipped() -> None:
    """The first step of Nesterov's momentum is lr·(1 + μ)·g, and ‖g‖ is the limit, of the top alone."""
    _, before, after = trained("cell1", steps=1, optimiser={"clip": 1e-3, "weight_decay": 0.0})
    moved = np.sqrt(sum(((after[n] - before[n]).astype(np.float64) ** 2).sum() for n in before))
    assert moved == pytest.approx(0.025 * 1.9 * 1e-3, rel=1e-2)


def test_who_transports_nothing() -> None:
    """Nobody learns below: no bit is sent. bits by hand: all weights count, those above the first block send."""

    def bits(block: str | None) -> float:
        job, _, _ = trained(block)
        return float(summary(job.config, job, {}, {})["transported_bits"])

    assert bits("classifier") == 0
    job, _, _ = trained("cell1")
    sizes = {s.name: s.W.size for s in job.model.synapses}
    senders = [n for n in sizes if n.startswith(("cell1.edge", "cell2", "classifier"))]
    assert 0 < len(senders) < len(sizes)
    assert bits("cell1") == pytest.approx(32 * sum(sizes[n] for n in senders) / sum(sizes.values()))
    assert bits("cell1") < bits(None)


def test_blocks_that_there_are_not() -> None:
    with pytest.raises(UsageError, match=r'no block "cell7"\. Did you mean "cell'):
        trained("cell7")
    with pytest.raises(UsageError, match='"pool" has no weights'):
        trained("pool")


@pytest.fixture
def begun(run: Command) -> InLines:
    Path("g.json").write_text(json.dumps(FOUND.to_json()))

    def begun(*arguments: str) -> tuple[int, list[str], str]:
        few = ["--rules", "fa", "--out", "b", "--subset", "60"]
        code, out, err = run("baselines", "g.json", *few, *arguments)
        return code, out.splitlines(), err

    return begun


def test_the_command_goes_on_and_compares(begun: InLines, monkeypatch: pytest.MonkeyPatch) -> None:
    """One training by a real process; the others are finished as if by it, two of them before the first command."""
    from bionas_cupy.engine.run_folder import RunFolder
    from bionas_cupy.search import many_trainings

    real, asked = many_trainings.train, []

    def train(path: Path, stopped: Callable[[], bool]) -> bool:
        asked.append(path.name)
        if path.name == "found-0":
            return real(path, stopped)
        if path.name == "fa-0" and len(asked) < 8:
            return False
        with RunFolder.open_for_resume(path) as folder:
            folder.finish({"result.json": {"test_accuracy": 50.0 + len(path.name), "transported_bits": 1.0}})
        return True

    monkeypatch.setattr(many_trainings, "train", train)
    small = [
        "--channels",
        "2",
        "--cells",
        "1",
        "--epochs",
        "1",
        "--batch",
        "20",
        "--seeds",
        "2",
        "--workers",
        "1",
    ]
    code, out, err = begun(*small)
    assert code == 0
    assert len(err.splitlines()) == len(asked) == 10
    assert "fa-0 diverged" in err
    assert out[-1] == "Diverged, and left out: fa-0."
    result = json.loads(Path("b/found-0/result.json").read_text())
    assert result["epochs"] == 1
    assert result["train_images"] == 60
    assert json.loads(Path("b/top-1/manifest.json").read_text())["genotype"]["normal"][0]["rule"] == "bp"
    code, out, _ = begun(*small, "--json", "-q")
    assert code == 0
    assert asked[10:] == ["fa-0"]  # it alone was not finished
    rows = {e["label"]: e for e in map(json.loads, out)}
    assert list(rows) == ["found", "fa", "random", "top", "frozen"]
    assert rows["random"]["values"] == {"0": 58.0, "1": 58.0}
    assert rows["fa"]["values"] == {"0": 54.0, "1": 54.0}
    code, _, err = begun(*small, "--epochs", "2")
    assert code == 2
    assert "was started with another configuration" in err


def test_what_cannot_be_is_refused(begun: InLines) -> None:
    Path("x").mkdir()
    Path("x/g.json").write_text(Path("g.json").read_text())
    for arguments, said in (
        (["--rules", "nope"], '"nope" is unknown'),
        (["--cells", "0"], "size.cells"),
        (["g.json", "x/g.json"], "have one name: g, g"),
        (["nothing.json"], "cannot be read"),
    ):
        check_refused(begun(*arguments), said)


def test_who_is_stopped_is_told_what_goes_on(tmp_path: Path) -> None:
    with Stopping() as stopping:
        stopping.requested = signal.SIGINT
        with pytest.raises(StoppedError, match=r"The same command with --out .* goes on") as caught:
            train_all([tmp_path / "found-0"], 1, stopping, lambda *_: None)
    assert "--resume" not in str(caught.value)
