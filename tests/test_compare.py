"""Runs compared over their seeds: groups, intervals by hand, pairs, refusals."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from bionas_cupy.analysis.comparison import Group, groups_of, interval, paired, read_run, wilcoxon_p
from bionas_cupy.cli.main import main
from bionas_cupy.engine.errors import UsageError
from scipy import stats


def made(path: Path, seed: int, rule: str, accuracy: float, **more: str) -> Path:
    """A finished training's folder, as far as it is read."""
    path.mkdir()
    settings = {"command": "train", "seed": seed, "rule": rule, **more}
    text = "".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items())
    (path / "run.toml").write_text(text + f'[data]\ndir = "{path}"\n')
    (path / "manifest.json").write_text(json.dumps({"finished": "now", "results": ["result.json"]}))
    result = {"test_accuracy": accuracy, "rule": rule, "score": {"train_loss": 1.0 + seed}}
    (path / "result.json").write_text(json.dumps(result))
    return path


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    bp = [made(tmp_path / f"bp{s}", s, "bp", 90 + s) for s in (0, 1, 2)]
    return bp + [made(tmp_path / f"fa{s}", s, "fa", a) for s, a in ((1, 84.0), (2, 88.0), (3, 70.0))]


def test_groups_intervals_and_pairs(runs: list[Path]) -> None:
    groups = groups_of([read_run(path, "test_accuracy") for path in runs])
    assert groups == [Group("rule=bp", {0: 90, 1: 91, 2: 92}), Group("rule=fa", {1: 84, 2: 88, 3: 70})]
    found = interval([90, 91, 92])
    assert (found.mean, found.n) == (91, 3)
    assert found.half == pytest.approx(4.302653 / 3**0.5, rel=1e-6)  # Student's t, 2 degrees of freedom
    pairs = paired(groups[1], groups[0])
    assert pairs is not None
    assert (pairs.difference.mean, pairs.better, pairs.worse, pairs.p) == (-5.5, 0, 2, None)
    assert pairs.difference.half == pytest.approx(12.706205 * 1.5, rel=1e-6)
    assert pairs.difference.tie
    assert interval([1.0]).half is None
    assert paired(Group("a", {1: 1.0}), Group("b", {2: 1.0})) is None
    six = Group("a", dict(enumerate((1.0, 2.0, 3.0, 4.0, 5.0, 6.0))))
    many = paired(six, Group("b", dict.fromkeys(range(6), 0.0)))
    assert many is not None
    assert many.p == pytest.approx(2 / 2**6)  # all of one sign
    assert not many.difference.tie


@pytest.mark.parametrize("n", [2, 5, 7, 9])
def test_against_scipys_paired_tests_and_all_signs(n: int) -> None:
    """The interval is that of SciPy's paired t-test; p the share of all 2ⁿ signs with as extreme a rank sum."""
    rng = np.random.default_rng(n)
    a, b = rng.normal(90, 2, n), rng.normal(88, 2, n)
    found = paired(Group("a", dict(enumerate(a))), Group("b", dict(enumerate(b))))
    assert found is not None
    test = stats.ttest_rel(a, b)
    low, high = test.confidence_interval(0.95)
    assert found.difference.mean == pytest.approx((low + high) / 2)
    assert found.difference.half == pytest.approx((high - low) / 2)
    assert found.difference.tie == (test.pvalue >= 0.05)
    if n < 6:
        assert found.p is None
        return
    ranks = np.argsort(np.argsort(abs(a - b))) + 1
    sums = np.array([ranks @ signs for signs in itertools.product((0, 1), repeat=n)])
    middle = n * (n + 1) / 4
    extreme = abs(sums - middle) >= abs(ranks[a > b].sum() - middle)
    assert found.p == pytest.approx(extreme.mean())


def test_equal_pairs_say_nothing() -> None:
    """Wilcoxon's ranks are of the others, and six of these are needed."""
    d = np.array([1.0, -0.5, 3.0, 2.0, 4.0, 5.0])
    assert wilcoxon_p(np.append(d, [0.0] * 20)) == wilcoxon_p(d) == pytest.approx(4 / 2**6)
    assert wilcoxon_p(np.append(d[1:], [0.0] * 20)) is None


def test_what_may_differ_is_said(tmp_path: Path) -> None:
    paths = [made(tmp_path / str(s), s, "bp", 90 + s, model=f"g{s}") for s in (0, 1)]
    assert len(groups_of([read_run(path, "train_loss") for path in paths])) == 2
    (group,) = groups_of([read_run(path, "train_loss") for path in paths], ["model"])
    assert group == Group("all", {0: 1.0, 1: 2.0})


def test_one_genotype_in_several_files_is_one_model(tmp_path: Path) -> None:
    """What its search said of it is no part of it. Names of their own, where files in two folders share one."""

    def trained(name: str, seed: int, model: str, rule: str) -> Path:
        path = made(tmp_path / name, seed, "", 90, model=model)
        told = {"genotype": {"normal": [rule], "score": {"seed": seed}}}
        (path / "manifest.json").write_text(
            json.dumps(told | {"finished": "now", "results": ["result.json"]})
        )
        return path

    bp = [trained(f"bp{s}", s, f"g/bp-{s}.json", "bp") for s in (0, 1)]
    fa = [trained(f"fa{s}", s, f"g/fa-{s}.json", "fa") for s in (0, 1)]
    groups = groups_of([read_run(path, "test_accuracy") for path in bp + fa])
    assert [(g.label, list(g.values)) for g in groups] == [
        ("model=bp-0.json", [0, 1]),
        ("model=fa-0.json", [0, 1]),
    ]
    other = trained("other", 0, "h/bp-0.json", "usf")
    labels = [g.label for g in groups_of([read_run(path, "test_accuracy") for path in [*bp, other]])]
    assert labels == ["model=g/bp-0.json", "model=h/bp-0.json"]


def test_a_label_has_what_tells_groups_apart(tmp_path: Path) -> None:
    """Not what only one of them has, but where nothing else differs."""
    ga = [made(tmp_path / f"ga{s}", s, "bp", 90 + s, strategy="ga", age="40") for s in (0, 1)]
    eg = [made(tmp_path / f"eg{s}", s, "bp", 90 + s, strategy="eg", step="point") for s in (0, 1)]
    plain = made(tmp_path / "plain", 0, "bp", 90, strategy="eg")

    def labels(*paths: Path) -> list[str]:
        return [group.label for group in groups_of([read_run(path, "test_accuracy") for path in paths])]

    assert labels(*ga, *eg) == ["strategy=ga", "strategy=eg"]
    assert labels(*eg, plain) == ["step=point", "the others' settings left out"]
    assert labels(*ga, *eg, plain) == ["strategy=ga, age=40", "strategy=eg, step=point", "strategy=eg"]


def test_the_command(runs: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", *map(str, runs), "--json"]) == 0
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (first["label"], first["mean"], first["values"]) == ("rule=bp", 91, {"0": 90, "1": 91, "2": 92})
    assert (second["difference"], second["pairs"], second["tie"]) == (-5.5, 2, True)
    assert "difference" not in first
    assert main(["compare", *map(str, runs)]) == 0
    out = capsys.readouterr().out
    assert "91.000 ± 2.484" in out
    assert "-5.500 ± 19.059" in out
    assert "tie" in out


Change = Callable[[list[Path]], list[Path]]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda runs: [runs[0], runs[1], runs[0]], 'bp0" is named twice'),
        (
            lambda runs: [runs[0], made(runs[0].parent / "again", 0, "bp", 91)],
            'bp0" and ".*again" have the same settings and the same seed, 0',
        ),
        (lambda runs: [runs[0].parent], "is no run"),
        (lambda runs: [_unfinished(runs[0])], "not finished"),
    ],
)
def test_refusals(runs: list[Path], change: Change, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        groups_of([read_run(path, "test_accuracy") for path in change(runs)])
    with pytest.raises(UsageError, match=r'no "test_acuracy".*"test_accuracy"'):
        read_run(runs[1], "test_acuracy")


def _unfinished(path: Path) -> Path:
    (path / "manifest.json").write_text("{}")
    return path
