"""The front: from journals and results to points, against values by hand; its table, JSON and pictures."""

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from bionas_cupy.analysis.front import bits_at, front_of, rules_by_place
from bionas_cupy.engine.errors import UsageError
from bionas_cupy.search.config import SearchConfig, TrainConfig, build
from bionas_cupy.search.genotype import Genotype
from bionas_cupy.search.genotype201 import Genotype201
from bionas_cupy.search.toml import to_toml
from cli_cases import Command, InLines, check_refused

CELL = "|nor_conv_3x3:{}~0|+|none~0|nor_conv_1x1:{}~1|+|skip_connect~0|none~1|avg_pool_3x3~2|"
PARTS = {"stem": "bp", "reduce": "bp", "classifier": "bp"}


def genotype(first: str, second: str, **parts: str) -> dict[str, object]:
    return Genotype201(cell=CELL.format(first, second), rules=PARTS | parts).to_json()


def search(
    path: Path, candidates: Sequence[tuple[list[int], int, float, list[float]]], failed: bool = False
) -> Path:
    """A search for the rules [bp, usf, fa] of this cell: (genome, epochs, bits, accuracies) a candidate."""
    tree = {"strategy": "halving", "epochs": 4, "genotype": "g.json", "space": {"rules": ["bp", "usf", "fa"]}}
    path.mkdir()
    (path / "run.toml").write_text(to_toml(build(SearchConfig, [tree])))
    (path / "manifest.json").write_text(json.dumps({"genotype": genotype("bp", "bp")}))
    lines = []
    for n, (genome, epochs, bits, accuracies) in enumerate(candidates):
        score = {"objective": 1.0, "transported_bits": bits, "accuracies": accuracies}
        lines.append({"candidate": n, "spec": {"genome": genome, "budget": epochs}, "score": score})
    if failed:
        lines[-1]["score"]["failed"] = "diverged"
    (path / "journal.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.fixture
def first(tmp_path: Path) -> Path:
    return search(
        tmp_path / "first",
        [
            ([0, 0], 1, 32.0, [99.0, 99.0]),  # a short training counts for nothing
            ([0, 0], 4, 32.0, [90.0, 92.0]),
            ([1, 1], 4, 9.0, [86.0, 90.0]),
            ([2, 2], 4, 8.0, [70.0, 74.0]),
            ([0, 2], 4, 30.0, [87.0, 88.0]),  # less than uSF everywhere, with more bits
            ([2, 1], 4, 8.5, [90.0, 90.0]),
        ],
    )


def test_the_front_by_hand(first: Path) -> None:
    found = front_of([first], [0.95, 0.99])
    assert (found.measure, found.reference, found.of_bp) == ("validation", 91.0, True)
    assert [p.bits for p in found.points] == [8.0, 8.5, 9.0, 30.0, 32.0]
    assert [p.bits for p in found.front] == [8.0, 8.5, 32.0]
    assert [p.only for p in found.points] == ["", "", "", "", "bp"]  # the fixed parts learn by bp
    assert [need.share for need in found.needs] == [0.99, 0.95]
    assert [need.point.bits for need in found.needs] == [32.0, 8.5]  # 90 % is 98.9 % of 91 %
    assert found.needs[1].point.rules == {"0 → 1 nor_conv_3x3": "fa", "1 → 2 nor_conv_1x1": "usf", **PARTS}
    half = found.points[-1].accuracy.half
    assert half == pytest.approx(12.706205, rel=1e-6)  # t with one degree of freedom · √2/√2
    assert [bits_at("stem", "bp"), bits_at("classifier", "bp"), bits_at("reduce", "usf")] == [0, 32, 1]


def test_the_same_assignment_in_two_searches_is_one_point(first: Path, tmp_path: Path) -> None:
    second = search(tmp_path / "second", [([1, 1], 4, 9.0, [92.0]), ([0, 0], 4, 32.0, [20.0])], failed=True)
    found = front_of([first, second])
    assert len(found.points) == 5
    assert next(p for p in found.points if p.bits == 9).accuracies == [86, 90, 92]
    assert found.points[-1].accuracies == [90, 92]  # the other one has failed


def test_the_same_training_under_two_names_counts_once(tmp_path: Path) -> None:
    stored = genotype("usf", "usf")
    runs = [training(tmp_path / f"found{s}", stored, 1.0, 60.0 + s, seed=s) for s in (0, 1)]
    runs += [
        training(tmp_path / "usf0", genotype("fa", "fa"), 1.0, 60.0, seed=0, rule="usf"),
        training(tmp_path / "usf2", genotype("fa", "fa"), 1.0, 60.0, seed=2, rule="usf"),
    ]
    assert [p.accuracies for p in front_of(runs).points] == [[60.0, 61.0, 60.0]]


def test_without_bp_the_best_is_the_reference(tmp_path: Path) -> None:
    found = front_of([search(tmp_path / "s", [([1, 2], 4, 9.0, [80.0]), ([2, 2], 4, 8.0, [60.0])])])
    assert (found.reference, found.of_bp) == (80.0, False)
    assert [need.point.bits for need in found.needs] == [9.0, 9.0]


def training(path: Path, stored: dict[str, object], bits: float, accuracy: float, **settings: object) -> Path:
    path.mkdir()
    (path / "run.toml").write_text(to_toml(build(TrainConfig, [{"model": "g.json", **settings}])))
    told = {"genotype": stored, "finished": "now", "results": ["result.json"]}
    (path / "manifest.json").write_text(json.dumps(told))
    (path / "result.json").write_text(json.dumps({"test_accuracy": accuracy, "transported_bits": bits}))
    return path


def test_trainings_with_their_test_accuracy(tmp_path: Path) -> None:
    """Two seeds of one assignment; --rule and rules.* change it; BP on the top alone is not BP."""
    stored = genotype("fa", "usf")
    runs = [training(tmp_path / f"found{s}", stored, 9.0, 60.0 + s, seed=s) for s in (0, 1)]
    runs += [training(tmp_path / "bp", stored, 32.0, 80.0, rule="bp")]
    runs += [training(tmp_path / "top", genotype("bp", "bp"), 5.0, 90.0, learn_from="stage2_cell0")]
    runs += [training(tmp_path / "usf", stored, 1.0, 50.0, rule="usf", rules=dict.fromkeys(PARTS, "usf"))]
    found = front_of(runs)
    assert found.measure == "test"
    assert [(p.bits, p.only, p.accuracies) for p in found.points] == [
        (1.0, "usf", [50.0]),
        (5.0, "", [90.0]),
        (9.0, "", [60.0, 61.0]),
        (32.0, "bp", [80.0]),
    ]
    assert found.reference == 80.0
    assert found.needs[0].point.bits == 5.0


def test_places_of_darts_cells() -> None:
    edges = [
        {"node": 2, "from": 0, "op": "dil_conv_3x3", "rule": "fa"},
        {"node": 2, "from": 1, "op": "skip_connect", "rule": None},
    ]
    found = Genotype.model_validate(
        {"normal": edges, "reduce": edges, "concat": [2], "rules": {"stem": "usf", "auxiliary": "bp"}}
    )
    assert rules_by_place(found) == {
        "normal 0 → 2 dil_conv_3x3": "fa",
        "reduce 0 → 2 dil_conv_3x3": "fa",
        "stem": "usf",
    }


@pytest.fixture
def front(command: Command) -> InLines:
    def front(*arguments: str | Path) -> tuple[int, list[str], str]:
        code, out, err = command("front", *arguments)
        return code, out.splitlines(), err

    return front


def test_the_command(front: InLines, first: Path, tmp_path: Path) -> None:
    code, out, err = front(first, "--out", tmp_path / "f")
    assert (code, err) == (0, "")
    assert any("3 of 5 assignments" in line for line in out)
    assert any(line.startswith("99 % of BP's accuracy with the fewest bits: 32.00") for line in out)
    kept = Genotype201.model_validate_json((tmp_path / "f/keep-0.95.json").read_text())
    assert rules_by_place(kept) == {"0 → 1 nor_conv_3x3": "fa", "1 → 2 nor_conv_1x1": "usf", **PARTS}
    code, out, _ = front(first, "--json", "--keep", "0.9")
    events = [json.loads(line) for line in out]
    assert json.loads((tmp_path / "f/front.json").read_text())["front"][:5] == events[:5]
    assert [e["front"] for e in events[:5]] == [True, True, False, False, True]
    assert (events[5]["keep"], events[5]["transported_bits"]) == (0.9, 8.5)
    assert events[5]["places"]["1 → 2 nor_conv_1x1"] == {"rule": "usf", "bits": 1.0}
    assert events[5]["places"]["stem"]["bits"] == 0


def test_pictures(front: InLines, first: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    code, _, err = front(first, "--out", tmp_path / "f", "--pictures")
    assert (code, err) == (0, "")
    assert {p.name for p in (tmp_path / "f").iterdir()} == {
        *(
            "front.json",
            "front.svg",
            "front.png",
            "needs.svg",
            "needs.png",
            "keep-0.99.json",
            "keep-0.95.json",
        )
    }


def test_accuracies_end_at_a_hundred_and_labels_of_close_lines_do_not_meet(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from bionas_cupy.analysis.front_pictures import curve
    from bionas_cupy.analysis.style import drawing
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    runs = [
        training(tmp_path / f"{k}", genotype("usf", "bp"), 8.5, accuracy, seed=k)
        for k, accuracy in enumerate((1.0, 99.0))
    ]
    with drawing():
        made = curve(front_of(runs, [0.99, 0.95]))
        low, high = made.axes[0].get_ylim()
        FigureCanvasAgg(made).draw()
        boxes = [text.get_window_extent() for text in made.axes[0].texts if "best" in text.get_text()]
    assert -2 < low < high < 102
    assert len(boxes) == 3
    assert all(a.x1 < b.x0 for a, b in pairwise(boxes))


def test_the_label_of_a_narrow_picture_is_within_it(first: Path) -> None:
    pytest.importorskip("matplotlib")
    from bionas_cupy.analysis.front_pictures import needs
    from bionas_cupy.analysis.style import drawing
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    found = front_of([first], [0.9])
    for point in found.front:
        named = {f"normal {k} → 5 dil_conv_5x5": rule for k, rule in enumerate(point.rules.values())}
        point.rules.clear()
        point.rules.update(named)
    del found.front[1:]
    with drawing():
        made = needs(found)
        FigureCanvasAgg(made).draw()
        box = made.axes[0].xaxis.label.get_window_extent()
    assert made.bbox.x0 <= box.x0 < box.x1 <= made.bbox.x1


def test_a_picture_that_cannot_be_written_is_named(front: InLines, first: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    (tmp_path / "f" / "needs.svg").mkdir(parents=True)
    code, _, err = front(first, "--out", tmp_path / "f", "--pictures")
    assert (code, len(err.splitlines())) == (7, 1)
    assert f'Cannot write "{tmp_path / "f" / "needs.svg"}"' in err


def test_refusals(front: InLines, first: Path, tmp_path: Path) -> None:
    run = training(tmp_path / "run", genotype("bp", "bp"), 32.0, 80.0)
    with pytest.raises(UsageError, match="Name one kind"):
        front_of([first, run])
    for arguments, said in (
        ([first, "--keep", "2"], "cannot be read"),
        ([first, "--pictures"], "Add --out"),
        ([tmp_path / "nothing"], "is no run"),
        ([search(tmp_path / "empty", [])], "trained to its end"),
    ):
        check_refused(front(*arguments), said)
