"""Rank correlations of cheap scores with what long trainings gave: on journals by hand, and on a real search."""

import json
from pathlib import Path

import numpy as np
import pytest
from bionas_cupy.benchmarks import early_ranks
from bionas_cupy.cli.main import main


def journal(path: Path, losses: list[float], accuracies: list[float]) -> Path:
    path.mkdir()
    rows = enumerate(zip(losses, accuracies, strict=True))
    scores = [{"validation_loss": a, "validation_accuracy": b, "transported_bits": 1.0} for _, (a, b) in rows]
    scores[-1]["failed"] = 1.0
    lines = [{"spec": {"genome": [n]}, "score": score} for n, score in enumerate(scores)]
    (path / "journal.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The last candidate has failed; of the others the loss orders all but two neighbours as the accuracy does."""
    late = journal(tmp_path / "late", [0.0] * 6, [50, 60, 70, 80, 90, 10])
    early = journal(tmp_path / "early", [2.0, 1.5, 1.6, 1.2, 1.0, 0.0], [0.0] * 6)
    monkeypatch.setattr("sys.argv", ["early_ranks", str(late), str(early), "--no-credit"])
    early_ranks.main()
    bits, loss = capsys.readouterr().out.splitlines()[2:]
    assert bits == "| transported bits | not defined | 5 |"
    half = 1.96 * np.sqrt(1.06 / 2)
    low, high = np.tanh(np.arctanh(0.9) - half), np.tanh(np.arctanh(0.9) + half)
    assert loss == f"| −loss of early | +0.90 ({low:+.2f} to {high:+.2f}) | 5 |"  # ρ = 1 − 6·2/(5·24)


def test_credit_of_real_candidates(tmp_path: Path) -> None:
    """BP everywhere deserves all of it, before and after; FA deserves less, and something else once it has learnt."""
    pairs = ((2, 0), (2, 1), (3, 0), (3, 2))
    cell = [{"node": n, "from": s, "op": "sep_conv_3x3", "rule": "bp"} for n, s in pairs]
    genotype = {"format": 1, "space": "darts", "concat": [2, 3], "normal": cell, "reduce": cell}
    (tmp_path / "g.json").write_text(json.dumps(genotype))
    small = [
        "--set",
        "size.cells=2",
        "--set",
        "size.channels=4",
        "--set",
        "trials.seeds=1",
        "--workers",
        "1",
        "-q",
    ]
    words = [
        "--strategy",
        "random",
        "--genotype",
        str(tmp_path / "g.json"),
        "--rules",
        "bp,fa",
        "--evaluations",
        "2",
    ]
    assert (
        main(["search", *words, *small, "--epochs", "1", "--subset", "400", "--out", str(tmp_path / "r")])
        == 0
    )
    found = early_ranks.credit_columns(tmp_path / "r", list(early_ranks.scores(tmp_path / "r")))
    (bp, fa), (bp_later, fa_later) = (list(values.values()) for values in found.values())
    assert bp == pytest.approx(1, abs=1e-6)
    assert bp_later == pytest.approx(1, abs=1e-6)
    assert -0.5 < fa < 0.9
    assert fa_later != fa
