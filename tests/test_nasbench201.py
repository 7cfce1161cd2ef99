"""NAS-Bench-201's space: strings, sizes against the published table, the network against dense sums, genotypes."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from bionas_cupy.engine.check import check_gradients
from bionas_cupy.engine.errors import UsageError
from bionas_cupy.engine.random import Key
from bionas_cupy.engine.step import Step
from bionas_cupy.layers.model import Model
from bionas_cupy.layers.multiply_adds import multiply_adds
from bionas_cupy.layers.nasbench201 import OPERATIONS, NasBench201Network
from bionas_cupy.layers.norm import Normalise
from bionas_cupy.layers.synapse import Synapse
from bionas_cupy.search.config import TrainConfig, build
from bionas_cupy.search.genotype import Genotype201, valid_genotype
from bionas_cupy.search.image_shape import ImageShape
from bionas_cupy.search.nasbench201 import CellDecisions, parse_cell
from bionas_cupy.search.networks import build_network

BEST = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_1x1~1|nor_conv_3x3~2|"


def uniform(operation: str) -> str:
    return f"|{operation}~0|+|{operation}~0|{operation}~1|+|{operation}~0|{operation}~1|{operation}~2|"


def model(text: str, size: int = 32, classes: int = 10, **options: int) -> Model:
    network = NasBench201Network(3, (size, size), classes, parse_cell(text).edges(), **options)
    return Model(network, Normalise([0.0] * 3, [1.0] * 3), Key(1))


def test_every_published_string_is_read_and_printed() -> None:
    for names in itertools.islice(itertools.product(OPERATIONS, repeat=6), 0, None, 7):
        a, b, c, d, e, f = names
        text = f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|"
        assert parse_cell(text).plain == text
        assert parse_cell(str(parse_cell(text))) == parse_cell(text)


def test_rules_stand_in_the_string() -> None:
    text = "|nor_conv_3x3:usf~0|+|none~0|nor_conv_1x1:power(p=0.5;q=0)+nonneg~1|+|skip_connect~0|none~1|avg_pool_3x3~2|"
    cell = parse_cell(text)
    assert str(cell) == text.replace("power(p=0.5;q=0)", cell.choices[2].rule.removesuffix("+nonneg"))
    assert [c.rule for c in cell.choices][:2] == ["usf", None]
    assert {c.rule for c in cell.with_rule("fa").choices} == {"fa", None}
    assert ":bp" in str(parse_cell(BEST))
    assert parse_cell(BEST).with_rule("fa").plain == BEST


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BEST[:-1], "expected the form"),
        (BEST.replace("~2", "~1"), "node 2 is expected"),
        (BEST.replace("conv_1x1", "conv_5x5"), 'Did you mean "nor_conv_'),
        (BEST.replace("skip_connect", "skip_connect:fa"), "has no weights"),
        (BEST.replace("nor_conv_1x1", "nor_conv_1x1:usv"), 'Did you mean "usf"'),
    ],
)
def test_other_strings_are_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse_cell(text)


def test_decisions_are_the_whole_space() -> None:
    space = CellDecisions(["bp", "usf"])
    assert space.sizes == (7,) * 6
    genomes = list(itertools.islice(itertools.product(*map(range, space.sizes)), 0, None, 97))
    assert [space.genome(space.cell(g)) for g in genomes] == genomes
    plain = CellDecisions()
    cells = {plain.cell(g).plain for g in itertools.product(*map(range, plain.sizes))}
    assert len(cells) == 15_625
    with pytest.raises(UsageError, match="none of the alternatives"):
        plain.genome(parse_cell(BEST).with_rule("fa"))


@pytest.mark.parametrize(
    ("text", "parameters"),  # the table's c10_params, at these very rows
    [
        (BEST, 1_073_466),
        (
            "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|",
            129_306,
        ),
        (
            "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|",
            802_426,
        ),
        (uniform("none"), 73_306),
        (uniform("nor_conv_3x3"), 73_306 + 6 * 243_040),
    ],
)
def test_parameters_are_the_tables(text: str, parameters: int) -> None:
    assert model(text).arena.value.size == parameters


@pytest.mark.parametrize(
    ("text", "size", "classes", "count"),
    [  # the published smallest and largest MFLOPs of the three data sets
        (uniform("none"), 32, 10, 7_783_050),
        (uniform("nor_conv_3x3"), 32, 10, 220_119_690),
        (uniform("avg_pool_3x3"), 32, 100, 7_788_900),
        (uniform("nor_conv_3x3"), 16, 120, 55_037_560),
        (uniform("nor_conv_1x1"), 32, 10, 7_783_050 + 6 * 3_932_160),
    ],
)
def test_multiply_adds_are_the_published_flops(text: str, size: int, classes: int, count: int) -> None:
    assert multiply_adds(model(text, size, classes), (3, size, size)) == count


def test_forward_is_the_sum_over_edges() -> None:
    """One cell a stage: the nodes summed by hand from the network's own layers."""
    text = "|nor_conv_3x3~0|+|skip_connect~0|none~1|+|avg_pool_3x3~0|nor_conv_1x1~1|skip_connect~2|"
    made = model(text, 8, 4, cells=1)
    cell = made.network.layers["stage0_cell0"]
    x = np.random.default_rng(0).normal(size=(2, 1, 16, 8, 8)).astype(np.float32)
    node1 = cell.edge["edge0"].forward(x, Step(Key(0)))
    node2 = x
    pooled = cell.edge["edge3"].forward(x, Step(Key(0)))
    expected = pooled + cell.edge["edge4"].forward(node1, Step(Key(0))) + node2
    np.testing.assert_allclose(cell.forward(x, Step(Key(0))), expected, rtol=1e-4, atol=1e-5)
    assert "edge2" not in cell.edge


DEAD = "|nor_conv_3x3~0|+|nor_conv_1x1~0|none~1|+|none~0|none~1|none~2|"  # nothing reaches the last node
LATE = "|none~0|+|none~0|nor_conv_1x1~1|+|none~0|avg_pool_3x3~1|nor_conv_3x3~2|"  # node 1 has no input


@pytest.mark.parametrize("text", [BEST, DEAD, LATE, uniform("avg_pool_3x3")])
def test_gradients(text: str) -> None:
    network = NasBench201Network(1, (4, 4), 2, parse_cell(text).edges(), channels=1, cells=1)
    x = np.random.default_rng(1).normal(size=(6, 1, 1, 4, 4))
    check_gradients(network, x, input_error=False, directions=1, full=8)


def test_genotypes_are_written_cells_first() -> None:
    shared = ["rules", "rule_files", "weights_per_rule", "transported_bits", "score", "provenance"]
    edge = {"node": 2, "from": 0, "op": "skip_connect"}
    cells = {"normal": [edge], "reduce": [edge], "concat": [2]}
    written = valid_genotype(cells, "g", Path()).to_json()
    assert list(written) == ["format", "space", *cells, *shared]
    assert written["normal"] == [edge | {"rule": None}]
    cell = {"space": "nasbench201", "cell": "|none~0|+|none~0|none~1|+|none~0|none~1|skip_connect~2|"}
    assert list(valid_genotype(cell, "g", Path()).to_json()) == ["format", *cell, *shared]
    for tree in (cells, cell):
        with pytest.raises(UsageError, match='rule "usff" is unknown'):
            valid_genotype(tree | {"rules": {"stem": "usff"}}, "g", Path())


def test_a_genotype_of_the_space() -> None:
    tree = {"space": "nasbench201", "cell": BEST.replace("3x3~1", "3x3:usf~1"), "rules": {"reduce": "fa"}}
    genotype = valid_genotype(tree, "g", Path())
    assert isinstance(genotype, Genotype201)
    assert {str(rule) for rule in genotype.used_rules()} == {"bp", "usf", "fa"}
    config = build(TrainConfig, [{"size": {"cells": 3, "channels": 4}, "rules": {"stem": "fa"}}])
    network = build_network(config, genotype, ImageShape(1, 8, 8, 10))
    rules = {name: str(s.rules[0]) for name, s in network.walk() if isinstance(s, Synapse)}
    assert rules["stage0_cell0.edge2.conv"] == "usf"
    assert rules["stage2_cell0.edge5.conv"] == "bp"
    assert rules["reduce1.body.half0.conv"] == rules["stem"] == "fa"
    with pytest.raises(UsageError, match="multiple of 3"):
        genotype.network(ImageShape(1, 8, 8, 10), 4, 8)
    with pytest.raises(UsageError, match="divisible by 4"):
        genotype.network(ImageShape(1, 10, 8, 10), 4, 3)
    with pytest.raises(UsageError, match="no part of the network"):
        genotype.with_roles({"preprocess": "fa"})
    with pytest.raises(UsageError, match="cell"):
        valid_genotype({"space": "nasbench201", "cell": "|x~0|"}, "g", Path())
