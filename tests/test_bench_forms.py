"""PyTorch's forms as the peer of a benchmark, without PyTorch."""

from typing import Any

import pytest
from bench_cases import LOOP, answer
from bionas_cupy.benchmarks import against, pairs, rows
from bionas_cupy.benchmarks.bench import bench
from bionas_cupy.benchmarks.process import GaveUp, Job
from bionas_cupy.engine.errors import DeviceError


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
        self.job, self.seconds, self.told = job, takes, dict[str, float]()

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
    gave_up = isinstance(takes[1], Exception)
    assert [each.split(":")[0] for each in told] == ["torch.compile", "torch eager"][: 2 - gave_up]
    assert "given up after 90 s" in told[0]
    if gave_up:
        assert tried == {"torch.compile": "given up after 90 s"}
    else:
        assert tried == {"torch eager": 1e3 * takes[0], "torch.compile": 1e3 * takes[1]}
    assert dict(form.job.environment)["MALLOC_MMAP_THRESHOLD_"]


def torch_row(takes: Any) -> rows.Row:
    return rows.Row(
        "both", "", Job("ours.x", {"takes": (1.0,), "compiled": 0}), torch=Job("peers.x", {"takes": takes})
    )


def test_a_form_that_alone_runs_is_reported_by_its_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(against, "Worker", Fake)
    monkeypatch.setattr(pairs, "Worker", Fake)
    (found,) = bench(torch_row((2.0, GaveUp())), True, 1, 1)
    assert (found.peer, found.ratio) == ("torch eager", 2.0)
    assert found.forms == {"torch eager": 2000.0, "torch.compile": "given up after 90 s"}


def test_no_form_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(against, "Worker", Fake)
    monkeypatch.setattr(pairs, "Worker", Fake)
    with pytest.raises(DeviceError, match="no memory"):
        list(bench(torch_row((DeviceError("no memory"), GaveUp())), True, 1, 1))


def test_torch_is_only_asked_for_where_a_row_has_it() -> None:
    (found,) = bench(rows.Row("alone", "no PyTorch here", LOOP), True, 1, 1)
    assert found.peer is None
