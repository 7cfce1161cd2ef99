"""PyTorch's side of a benchmark takes the same step as ours, so that the same work is timed."""

from typing import Any

import pytest
from bionas_cupy.benchmarks import against, pairs
from bionas_cupy.benchmarks.bench import bench
from bionas_cupy.benchmarks.process import Job
from bionas_cupy.benchmarks.rows import EIGHT, FOUR, Row
from bionas_cupy.benchmarks.worker import build

pytestmark = pytest.mark.oracle

SUPERNET = {
    "batch": 2,
    "size": 16,
    "channels": 4,
    "cells": 3,
    "rules": FOUR,
    "weights": "own",
    "operations": EIGHT,
}
CASES = {
    "supernet": Job("supernet", SUPERNET),
    "darts": Job(
        "network", {"network": "darts", "batch": 2, "size": 32, "channels": 4, "cells": 6, "rule": "usf"}
    ),
    "resnet, bp": Job("network", {"network": "resnet", "batch": 4, "size": 16, "rule": "bp"}),
    "resnet, usf": Job("network", {"network": "resnet", "batch": 4, "size": 16, "rule": "usf"}),
    "hebbian": Job("hebbian", {"inputs": 9, "units": 7, "batch": 5}),
    "hebbian conv": Job("hebbian", {"inputs": 3, "units": 7, "batch": 2, "kernel": 5, "size": 12}),
}


@pytest.mark.parametrize("case", CASES)
def test_the_same_first_step(case: str) -> None:
    kind, settings, _ = CASES[case]
    ours, theirs = told(f"ours.{kind}", settings), told(f"peers.{kind}", settings | {"compiled": False})
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert theirs[name] == pytest.approx(value, rel=1e-3), name


@pytest.mark.parametrize("case", ["hebbian", "hebbian conv"])
def test_the_loop_over_samples(case: str) -> None:
    settings = CASES[case].settings
    assert told("ours.hebbian_loop", settings) == pytest.approx(told("ours.hebbian", settings), rel=1e-4)


def test_a_row_against_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """From its memory to its result; torch.compile gets no time."""
    monkeypatch.setattr(against, "COMPILE_LIMIT", 0.01)
    monkeypatch.setattr(pairs, "LONGEST", 0.0)
    form = {"inputs": 9, "units": 7, "batch": 8}
    row = Row("row", "", Job("ours.hebbian", form), torch=Job("peers.hebbian", form), large=True)
    (found,) = bench(row, True, 1, 1)
    assert (found.peer, found.batch) == ("torch eager", 8)
    assert found.forms is not None
    assert found.forms["torch.compile"] == "given up after 0 s"
    assert found.ratio is not None
    assert found.ratio > 0
    assert found.peer_peak_mb is not None
    assert found.peer_peak_mb > found.peak_mb  # PyTorch alone takes that much


def told(kind: str, settings: dict[str, Any]) -> dict[str, float]:
    return build(kind, settings).step()
