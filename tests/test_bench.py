"""The benchmarks' plumbing: names, rounds, memory, work, workers, errors. Nothing here is timed."""

import json
from dataclasses import replace
from typing import Any

import pytest
from bionas_cupy.benchmarks import against, fit, gpu, pairs, rounds, rows, search_cost, work
from bionas_cupy.benchmarks.bench import Result, bench
from bionas_cupy.benchmarks.machine import others, peak_mb, ticks
from bionas_cupy.benchmarks.process import GaveUp, Job, Worker
from bionas_cupy.cli.bench_table import COLUMNS, cells, notes
from bionas_cupy.cli.main import main
from bionas_cupy.engine.errors import BionasError, DeviceError, UsageError
from bionas_cupy.search.compatible import chosen_candidates
from bionas_cupy.search.config import SearchConfig, build, search_presets

LOOP = Job("ours.hebbian_loop", {"inputs": 5, "units": 4, "batch": 3})
OTHER_LOOP = Job("ours.hebbian_loop", {"inputs": 5, "units": 6, "batch": 3})
FIELDS = [
    *("name", "ours_ms", "peer", "peer_ms", "ratio", "roofline_ms", "predicted_gpu_ms", "predicted_gpu"),
    *("peak_mb", "peer_peak_mb", "rounds"),
    *("discarded", "quiet", "spread", "peer_spread", "threads", "batch", "forms"),
]


def answer(seconds: float, others: float | None = 0.0, peak: float = 100.0) -> dict[str, Any]:
    return {"seconds": seconds, "others": others, "peak_mb": peak}


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """For idle rounds."""
    monkeypatch.setattr(pairs, "LONGEST", 0.0)


# Names


def test_rows_have_names_of_their_own() -> None:
    names = [row.name for row in rows.ROWS]
    assert len(set(names)) == len(names)
    assert not set(names) & {row.group for row in rows.ROWS}
    wanted = ["supernet_step", "supernet_step_shared", "darts20_step", "resnet20_step", "digits_search"]
    assert {*wanted, "hebbian_dense", "hebbian_conv", "growth_batch"} <= set(names)


def test_rows_by_name_and_group() -> None:
    assert rows.chosen([]) == rows.ROWS
    assert [row.name for row in rows.chosen(["resnet20_step", "supernet_step"])] == [
        "supernet_step",
        "resnet20_step",
    ]
    assert [row.name for row in rows.chosen(["growth"])] == [
        "growth_batch",
        "growth_cells",
        "growth_candidates",
    ]


def test_an_unknown_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "supernet_stp"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert '"supernet_step"' in err


def test_against_torch_without_torch(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(against, "find_spec", lambda name: None)
    assert main(["bench", "resnet20_step", "--against", "torch"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "pip install torch" in err


# Rounds


def test_time_of_others() -> None:
    rows_of_two = [
        ["100", "0", "50", "800", "50", "0", "0", "0"],
        ["0", "0", "0", "1000", "0", "0", "0", "0"],
    ]
    busy, total = ticks(rows_of_two)
    assert busy / total == pytest.approx(150 / 2000)
    assert others((1.0, 10.0), (3.0, 14.0), own=1.5) == pytest.approx(0.5 / 4)
    assert others((1.0, 10.0), (3.0, 14.0), own=2.5) == 0.0  # two clocks of different grain
    assert others(None, None, 1.0) is None


def test_only_quiet_rounds_count() -> None:
    taken = [
        [answer(1.0), answer(3.0)],
        [answer(9.0, others=0.5), answer(3.0)],
        [answer(2.0), answer(5.0, others=None)],
        [answer(1.5), answer(9.0, others=0.2)],
        [answer(3.0, peak=120.0), answer(4.0)],
    ]
    found = pairs.summary(taken)
    assert (found.rounds, found.discarded, found.quiet) == (3, 2, True)
    ours, peer = found.sides
    assert ours == rounds.Side(ms=2000.0, spread=1.0, peak_mb=120.0)
    assert (peer.ms, peer.spread) == (4000.0, 0.5)


def test_without_quiet_rounds_all_count_and_it_says_so() -> None:
    found = pairs.summary([[answer(seconds, others=0.4)] for seconds in (1.0, 2.0, 4.0)])
    assert (found.rounds, found.discarded, found.quiet) == (3, 0, False)
    assert found.sides[0].ms == 2000.0


def test_rounds_end_when_enough_are_quiet_or_the_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "LONGEST", 15.0)
    loud = iter([0.5, 0.0, 0.5, 0.0, 0.0, 0.0])
    assert len(pairs.take(lambda: [answer(1.0, next(loud))], 3)) == 5
    now = iter(range(0, 10_000, 10))
    taken = pairs.take(lambda: [answer(1.0, 0.5)], 3, clock=lambda: float(next(now)))
    assert pairs.LEAST <= len(taken) < 20


def test_what_is_not_the_same_step_is_not_compared() -> None:
    told = {"loss": 2.0, "gradient_norm": 1.0}
    pairs.check_same(LOOP, told, LOOP, {"loss": 2.0001, "gradient_norm": 1.01})
    pairs.check_same(LOOP, told, LOOP, {})
    for other in ({"loss": 2.01}, {"gradient_norm": 1.1}, {"loss": float("nan")}):
        with pytest.raises(BionasError, match="do not take the same step"):
            pairs.check_same(LOOP, told, LOOP, other)


# Memory


def test_the_largest_batch_that_fits() -> None:
    needs = [fit.Need(100.0, 10.0), fit.Need(200.0, 30.0)]
    assert fit.largest(64, needs, None) == 64
    assert fit.largest(64, needs, 2860.0 / fit.SHARE + 1) == 64
    assert fit.largest(64, needs, 2860.0 / fit.SHARE - 1) == 48
    assert fit.largest(64, needs, 620.0 / fit.SHARE + 1) == 8
    with pytest.raises(DeviceError, match="not enough memory"):
        fit.largest(64, needs, 300.0)


def test_peak_memory_only_grows() -> None:
    before = peak_mb()
    block = bytearray(64_000_000)
    assert peak_mb() >= before
    assert peak_mb() > len(block) / 1e6


# Work


def test_work_of_resnet20() -> None:
    """40,550,400 multiply-adds an image and pass (He's table without its 640 of the classifier); no error below
    the stem's 442,368.
    """
    assert work.resnet20(1, 32).flops == 2 * (3 * 40_550_400 - 442_368)
    assert work.resnet20(7, 32) == work.Work(*(7 * each for each in work.resnet20(1, 32)))


def test_work_of_a_half() -> None:
    form = {"batch": 2, "channels": 4, "size": 8, "lanes": 3, "kernel": 3, "stride": 2, "inner": False}
    y = 2 * 3 * 4 * 16
    forward, backward = (work.half(form | {"direction": d}) for d in ("forward", "backward"))
    assert forward == work.Work(2 * y * (9 + 4), 4 * (2 * 4 * 64 + y))
    assert backward.flops == 2 * y * (3 * 9 + 2 * 4)  # h again, its two gradients; two of the pointwise map
    assert backward.bytes == 4 * (y // 3 + y + 2 * 2 * 4 * 64)


def test_every_declared_work_is_positive() -> None:
    declared = [row for row in rows.ROWS if row.work]
    assert len(declared) > 20
    for row in declared:
        asked = row.work(row.ours.settings)
        assert asked.flops > 0, row.name
        assert asked.bytes > 0, row.name


# Workers


def test_a_worker_takes_steps() -> None:
    with Worker(LOOP, 1) as worker:
        assert worker.told["update_norm"] > 0
        assert worker.peak_mb >= worker.base_mb > 0
        told = worker.step()
        assert told["seconds"] > 0
        assert told["peak_mb"] >= worker.base_mb
    assert worker.process.returncode is not None


def test_a_worker_that_fails() -> None:
    with pytest.raises(BionasError, match=r"ours\.nothing failed: ModuleNotFoundError"):
        Worker(Job("ours.nothing", {}), 1)


def test_a_worker_that_is_late() -> None:
    with pytest.raises(GaveUp):
        Worker(LOOP, 1, limit=1e-3)


def test_sides_that_differ_are_refused() -> None:
    with pytest.raises(BionasError, match="do not take the same step"):
        pairs.measure([LOOP, Job("ours.hebbian", OTHER_LOOP.settings)], 1, 1)


def test_two_forms_of_one_kind_do_different_work() -> None:
    assert len(pairs.measure([LOOP, OTHER_LOOP], 1, 1).sides) == 2


def test_a_row_as_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    row = rows.Row("small", "a small one", LOOP, ("itself", LOOP))
    monkeypatch.setattr(rows, "ROWS", [row, rows.Row("alone", "without a peer", LOOP)])
    assert main(["bench", "--json", "--rounds", "1", "--threads", "1"]) == 0
    paired, alone = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert list(paired) == list(alone) == FIELDS
    assert (paired["name"], paired["peer"], paired["batch"]) == ("small", "itself", 3)
    assert paired["ratio"] == pytest.approx(paired["peer_ms"] / paired["ours_ms"], rel=1e-2)
    nothing = ["peer", "peer_ms", "ratio", "roofline_ms", "predicted_gpu_ms", "predicted_gpu"]
    nothing += ["peer_peak_mb", "peer_spread", "forms"]
    assert [alone[name] for name in nothing] == [None] * len(nothing)


def test_a_row_in_the_table() -> None:
    on_gpu = 1.25, "A100: predicted, not measured"
    alone = Result(
        "a", 12.5, None, None, None, 5.0, *on_gpu, 80.0, None, 5, 0, True, 0.1, None, 2, None, None
    )
    assert cells(alone) == ("a", "12.5 ms", "", "", "2.5 x", "80 MB", "", "5", "1.25 ms")
    figures = 20e3, "p", 40e3, 2.0, None, None, None, 80.0, 90.0, 3, 1, False, 0.1, 0.2, 2, 64, {"p": 4e4}
    paired = Result("b", *figures)
    assert cells(paired) == ("b", "20.00 s", "40.00 s (p)", "2.00", "", "80 MB", "90 MB", "3, not idle", "")
    assert len(COLUMNS) == len(cells(alone))
    given_up = replace(paired, forms={"torch eager": 4e4, "torch.compile": "given up after 90 s"})
    assert notes([alone, paired, given_up]) == ["b: torch.compile: given up after 90 s."]
    assert "predicted" in COLUMNS[-1]


def test_a_predicted_gpu_step_is_the_largest_bound_and_says_what_it_is() -> None:
    name = "resnet20_step"
    by_launches = gpu.predicted(name, work.Work(0, 0))
    assert by_launches is not None
    assert by_launches.graph == pytest.approx(gpu.LAUNCHES[name] * 2.5e-6)
    by_traffic = gpu.predicted(name, work.Work(0, 0.6 * 2039e9))
    assert by_traffic is not None
    assert by_traffic.graph == pytest.approx(1.0)
    assert gpu.predicted("digits_search", work.Work(1, 1)) is None
    result = bench_result(name)
    assert result.predicted_gpu_ms == pytest.approx(1e3 * by_launches.graph)
    assert "predicted, not measured" in str(result.predicted_gpu)


def bench_result(name: str) -> Result:
    """Of a row of this name that does nothing."""
    row = rows.Row(name, "", LOOP, work=lambda _: work.Work(0, 0))
    return next(bench(row, False, 1, 1))


def test_launches_are_of_rows_that_declare_their_work() -> None:
    with_work = {row.name for row in rows.ROWS if row.work}
    assert with_work >= set(gpu.LAUNCHES)


# PyTorch's forms, without PyTorch


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


def test_an_unknown_row_from_python() -> None:
    with pytest.raises(UsageError):
        rows.chosen(["nothing like it"])


def test_the_rows_of_search_cost_are_searches() -> None:
    for name, settings in search_cost.ROWS.items():
        asked = {"preset": "small"} | settings
        config = build(SearchConfig, [search_presets(asked), asked])
        assert config.on_supernet
        words = name.split()
        if "candidates" in words:
            assert len(chosen_candidates(config)) == int(words[words.index("candidates") - 1])
    assert search_cost.in_turns([lambda: None, lambda: None])[0] < 1
