"""The benchmarks' plumbing: names, workers, rows, errors. Nothing here is timed."""

import json
from dataclasses import replace

import pytest
from bench_cases import LOOP
from bionas_cupy.benchmarks import against, gpu, pairs, rows, search_cost, work
from bionas_cupy.benchmarks.bench import Result, bench
from bionas_cupy.benchmarks.process import GaveUp, Job, Worker
from bionas_cupy.cli.bench_table import COLUMNS, cells, notes
from bionas_cupy.cli.main import main
from bionas_cupy.engine.errors import BionasError, UsageError
from bionas_cupy.search.compatible import chosen_candidates
from bionas_cupy.search.config import SearchConfig, build, search_presets

OTHER_LOOP = Job("ours.hebbian_loop", {"inputs": 5, "units": 6, "batch": 3})
FIELDS = [
    *("name", "ours_ms", "peer", "peer_ms", "ratio", "roofline_ms", "predicted_gpu_ms", "predicted_gpu"),
    *("peak_mb", "peer_peak_mb", "rounds"),
    *("discarded", "quiet", "spread", "peer_spread", "threads", "batch", "forms"),
]


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
