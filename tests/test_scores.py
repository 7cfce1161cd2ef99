"""Scores of untrained networks: by hand where that can be done, what they leave behind, cells without a path."""

from pathlib import Path

import numpy as np
import pytest
from bionas_cupy.benchmarks import zero_cost
from bionas_cupy.data.dataset import Images
from bionas_cupy.engine.errors import UsageError
from bionas_cupy.engine.random import Key
from bionas_cupy.layers.model import Model
from bionas_cupy.layers.nasbench201 import NasBench201Network
from bionas_cupy.layers.norm import Normalise
from bionas_cupy.search.look import Look
from bionas_cupy.search.nasbench201 import parse_cell
from bionas_cupy.search.scores import SCORES, parse_score

CELL = "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|none~1|avg_pool_3x3~2|"
DEAD = "|nor_conv_3x3~0|+|nor_conv_1x1~0|none~1|+|none~0|none~1|none~2|"
LABELS = np.array([0, 1, 2, 1])


def look(text: str = CELL, rule: str = "bp", dtype: type = np.float64, count: int = 4) -> Look:
    cell = parse_cell(text).with_rule(rule)

    def made(dtype: type = np.float64) -> Model:
        network = NasBench201Network(3, (8, 8), 3, cell.edges(), channels=4, cells=1)
        return Model(network, Normalise([0.0] * 3, [1.0] * 3), Key(1), dtype)

    x = np.random.default_rng(0).normal(size=(count, 1, 3, 8, 8)).astype(dtype)
    return Look(made(dtype), x, np.resize(LABELS, count), made)


def test_naswot_counts_agreements_of_signs() -> None:
    seen = look()
    layers = [y.reshape(4, -1) > 0 for y in seen.rectified()]
    assert len(layers) == 3 * 2 + 2 * 2 + 1  # two convolutions a cell, two in a block, the last norm
    agree = [[sum(int((c[i] == c[j]).sum()) for c in layers) for j in range(4)] for i in range(4)]
    assert SCORES["naswot"](seen) == pytest.approx(np.log(np.linalg.det(np.array(agree, float))), rel=1e-9)


def test_regions_are_counted_over_squares() -> None:
    """Images laid of two different squares of 4 × 4; and squares that no rectifier tells apart."""
    seen = look()
    two = np.random.default_rng(1).normal(size=(2, 3, 4, 4))
    laid = [np.block([[two[a], two[b]], [two[c], two[d]]]) for a, b, c, d in ((0, 1, 1, 0), (1, 1, 0, 1))]
    assert SCORES["regions"](seen.at(np.array(laid)[:, None], LABELS[:2])) == 2
    assert SCORES["regions"](look()) == 16
    assert SCORES["regions"](seen.at(np.repeat(two[:1], 4, axis=0)[:, None], LABELS)) == 1


def test_a_rule_that_changes_nothing_has_no_credit() -> None:
    """The modulator of a first step is 0: three_factor leaves its weights alone. Noise tells a little of the truth."""
    fixed = SCORES["credit"](look(rule="three_factor"))
    assert 0 < fixed < 1  # the fixed parts learn by bp, and hear what three_factor sends
    assert SCORES["credit"](look(rule="wp")) != fixed


@pytest.mark.parametrize(
    "text", ["naswut", "credit@", "credit@0", "credit@-1", "credit@x", "@3", "credit@1@2"]
)
def test_scores_that_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"is unknown|names no number of steps"):
        parse_score(text)
    assert parse_score("credit@12") == (SCORES["credit"], 12)


def test_nothing_remains_in_the_model() -> None:
    seen = look()
    before = {name: value.copy() for name, value in seen.model.arrays().items()}
    first = {name: score(seen) for name, score in SCORES.items()}
    after = seen.model.arrays()
    assert all((after[name] == value).all() for name, value in before.items())
    assert {name: score(look()) for name, score in reversed(SCORES.items())} == first


def test_credit_of_rules() -> None:
    credit = {rule: SCORES["credit"](look(rule=rule)) for rule in ("bp", "usf", "fa")}
    assert credit["bp"] == pytest.approx(1)
    assert 1 > credit["usf"] > credit["fa"] > -1
    assert credit["usf"] > 0.5


def test_a_cell_that_lets_nothing_through_is_the_worst() -> None:
    seen = look(DEAD)
    assert SCORES["jacov"](seen) == SCORES["ntk"](seen) == -np.inf
    assert SCORES["synflow"](seen) == SCORES["gradient_correlation"](seen) == -np.inf
    assert SCORES["grad_norm"](seen) < 1e-12 < SCORES["grad_norm"](look())


def test_a_line_of_the_benchmark_and_its_interval(tmp_path: Path) -> None:
    images = Images(
        np.random.default_rng(1).integers(0, 256, (9, 3, 8, 8), np.uint8),
        np.arange(9) % 3,
        ("a", "b", "c"),
        "x",
    )
    found = zero_cost.scores_of(parse_cell(CELL), images, 0, zero_cost.NAMES)
    assert set(found) == set(zero_cost.NAMES)
    assert all(value is not None and np.isfinite(value) for value in found.values())
    assert zero_cost.scores_of(parse_cell(DEAD), images, 0, ["jacov"]) == {"jacov": None}
    cells = list(zero_cost.cells(50, Key(0)))
    assert len({cell.plain for cell in cells}) == 50
    assert cells[:20] == list(zero_cost.cells(20, Key(0)))
    (tmp_path / "s.jsonl").write_text(
        '{"cell": "a", "jacov": 1.0}\n{"cell": "b"}\n{"cell": "a", "ntk": 2.0}\n{"ce'
    )
    assert zero_cost.lines(tmp_path / "s.jsonl") == {"a": {"jacov": 1.0, "ntk": 2.0}, "b": {}}
    told = zero_cost.interval(np.array([1.0, 2, 3, 4, 5]), np.array([2.0, 1, 4, 3, 5]))
    assert told.startswith("0.80 (")
    rising = np.arange(5.0)
    assert zero_cost.interval(np.full(5, 989.0), rising) == "constant"
    assert zero_cost.interval(np.full(5, -np.inf), rising) == "constant"
    assert zero_cost.interval(rising, rising) == "1.00 (1.00 to 1.00)"
    assert zero_cost.interval(rising[:3], rising[:3]) == "too few"
