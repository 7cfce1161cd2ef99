"""Scores of untrained networks: by hand where that can be done, what they leave behind, cells without a path."""

import numpy as np
import pytest
from bionas_cupy.benchmarks import zero_cost
from bionas_cupy.data.dataset import Images
from bionas_cupy.engine.random import Key
from bionas_cupy.layers.model import Model
from bionas_cupy.layers.nasbench201 import NasBench201Network
from bionas_cupy.layers.norm import Normalise
from bionas_cupy.search.nasbench201 import parse_cell
from bionas_cupy.search.scores import SCORES, Look, rectified, synflow

CELL = "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|none~1|avg_pool_3x3~2|"
DEAD = "|nor_conv_3x3~0|+|nor_conv_1x1~0|none~1|+|none~0|none~1|none~2|"
LABELS = np.array([0, 1, 2, 1])


def look(text: str = CELL, rule: str = "bp", dtype: type = np.float64) -> Look:
    cell = parse_cell(text).with_rule(rule)
    network = NasBench201Network(3, (8, 8), 3, cell.edges(), channels=4, cells=1)
    model = Model(network, Normalise([0.0] * 3, [1.0] * 3), Key(1), dtype)
    return Look(model, np.random.default_rng(0).normal(size=(4, 1, 3, 8, 8)).astype(dtype), LABELS)


def test_naswot_counts_agreements_of_signs() -> None:
    seen = look()
    layers = [y.reshape(4, -1) > 0 for y in rectified(seen.model, seen.step)]
    assert len(layers) == 3 * 2 + 2 * 2 + 1  # two convolutions a cell, two in a block, the last norm
    agree = [[sum(int((c[i] == c[j]).sum()) for c in layers) for j in range(4)] for i in range(4)]
    assert SCORES["naswot"](seen) == pytest.approx(np.log(np.linalg.det(np.array(agree, float))), rel=1e-9)


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
    assert synflow(look(DEAD).model, (3, 8, 8)) == -np.inf
    assert SCORES["grad_norm"](seen) < 1e-12 < SCORES["grad_norm"](look())


def test_a_line_of_the_benchmark_and_its_interval() -> None:
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
    told = zero_cost.interval(np.array([1.0, 2, 3, 4, 5]), np.array([2.0, 1, 4, 3, 5]))
    assert told.startswith("0.80 (")
