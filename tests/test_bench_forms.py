"""PyTorch's forms as the peer of a benchmark, without PyTorch."""

from typing import Any

import pytest
from bench_cases import LOOP, answer
from bionas_cupy.benchmarks import against, pairs, rows
from bionas_cupy.benchmarks.bench import bench
from bionas_cupy.benchmarks.process import GaveUp, Job
from bionas_cupy.engine.errors import BionasError, DeviceError


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """For idle rounds."""
    monkeypatch.setattr(pairs, "LONGEST", 0.0)


class Fake:
    """A worker that takes what its job says: seconds, or an error."""

    def __init__(self, job: Job, threads: int, limit: float | None = None) -> None:
        takes = job.settings["takes"][job.settings["compiled"]]
        if isinstance(takes, Exception):
            raise takes
        self.seconds = takes

    def __enter__(self) -> "Fake":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def step(self) -> dict[str, Any]:
        return answer(self.seconds)


@pytest.mark.parametrize(
    ("takes", "best"),
    [((2.0, 3.0), "torch eager"), ((3.0, 2.0), "torch.compile"), ((2.0, GaveUp()), "torch eager")],
)
def test_the_fastest_form_is_quoted(takes: Any, best: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(against, "Worker", Fake)
    told: list[str] = []
    form, tried = against.fastest(Job("peers.x", {"takes": takes}), LOOP, 1, told.append)
    assert form.name == best
    assert [each.split(":")[0] for each in told] == ["torch eager", "torch.compile"]
    assert "given up after 90 s" in told[1]
    compiled = "given up after 90 s" if isinstance(takes[1], Exception) else 1e3 * takes[1]
    assert tried == {"torch eager": 1e3 * takes[0], "torch.compile": compiled}
    assert dict(form.job.environment)["MALLOC_MMAP_THRESHOLD_"]


def test_no_form_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(against, "Worker", Fake)
    with pytest.raises(BionasError, match="PyTorch cannot take the step"):
        against.fastest(Job("peers.x", {"takes": (DeviceError("no memory"), GaveUp())}), LOOP, 1)


def test_torch_is_only_asked_for_where_a_row_has_it() -> None:
    (found,) = bench(rows.Row("alone", "no PyTorch here", LOOP), True, 1, 1)
    assert found.peer is None
