"""From genomes to genotypes: DARTS' cells, rules on a fixed architecture, rules of fixed parts."""

import numpy as np
import pytest
from bionas_cupy.engine.errors import UsageError
from bionas_cupy.engine.random import Key
from bionas_cupy.search.genotype import Genotype
from bionas_cupy.search.genotype201 import Genotype201
from bionas_cupy.search.space import candidates
from bionas_cupy.search.strategies.strategy import random_genome
from bionas_cupy.search.trials.decisions import DartsDecisions, Decisions201, RuleDecisions, WithParts

ROLES = {"stem": "bp", "preprocess": "bp", "reduce": "usf", "auxiliary": "bp", "classifier": "bp"}


def test_darts_decisions_reach_every_cell_once() -> None:
    """Two nodes, two candidates: 1·2·2 ways to fill the first node, 3·2·2 the second, both cells alike."""
    space = DartsDecisions(candidates(("none", "skip_connect", "dil_conv_3x3"), ("fa",)), 2)
    assert space.sizes == (1, 2, 2, 3, 2, 2) * 2
    cells = {str(space.genotype((*g, *[0] * 6)).normal) for g in np.ndindex(space.sizes[:6])}
    assert len(cells) == 4 * 12
    for g in np.ndindex(space.sizes[:6]):
        found = space.genotype((*[0] * 6, *g))
        pairs = [[e.source for e in found.reduce if e.node == node] for node in (2, 3)]
        assert pairs[0] == [0, 1]
        assert pairs[1] in ([0, 1], [0, 2], [1, 2])
        assert all((e.rule == "fa") == (e.op == "dil_conv_3x3") for e in found.reduce)


def test_rules_on_a_fixed_architecture_change_nothing_else() -> None:
    drawn = DartsDecisions(candidates(rules=("bp",)), 3).genotype(
        random_genome(DartsDecisions(candidates(rules=("bp",)), 3).sizes, Key(5))
    )
    weighted = [e for e in (*drawn.normal, *drawn.reduce) if e.rule]
    space = RuleDecisions(drawn, ["fa", "usf", "bp"])
    assert space.sizes == (3,) * len(weighted)
    genome = random_genome(space.sizes, Key(6))
    found = space.genotype(genome)
    assert isinstance(found, Genotype)
    assert [e.rule for e in (*found.normal, *found.reduce) if e.rule] == [
        ["fa", "usf", "bp"][k] for k in genome
    ]
    assert [(e.node, e.source, e.op) for e in found.normal] == [
        (e.node, e.source, e.op) for e in drawn.normal
    ]
    assert space.genotype([2] * len(weighted)).normal == drawn.normal
    assert [{e.rule for e in space.genotype(s).normal if e.rule} for s in space.starts] == [
        {"fa"},
        {"usf"},
        {"bp"},
    ]
    cell = "|nor_conv_3x3:fa~0|+|none~0|nor_conv_1x1:bp~1|+|skip_connect~0|none~1|avg_pool_3x3~2|"
    of_cell = RuleDecisions(Genotype201(cell=cell), ["usf", "bp"])
    assert of_cell.sizes == (2, 2)
    assert str(of_cell.genotype((1, 0)).to_json()["cell"]) == cell.replace("fa", "bp").replace(
        "1x1:bp", "1x1:usf"
    )
    with pytest.raises(UsageError, match="no edge with weights"):
        RuleDecisions(Genotype201(cell="|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"), ["bp"])


def test_parts_choose_their_rules_too() -> None:
    space = WithParts(Decisions201(["oja", "bp"]), ["stem", "classifier"], ["oja", "bp"], ROLES)
    assert space.sizes == (*(7,) * 6, 2, 1)  # oja hears of no label
    found = space.genotype((0, 0, 0, 0, 0, 6, 0, 0))
    assert found.rules == {"stem": "oja", "reduce": "usf", "classifier": "bp"}
    fixed = RuleDecisions(
        Genotype201(cell="|nor_conv_3x3:fa~0|+|none~0|none~1|+|none~0|none~1|none~2|"), ["oja", "bp"]
    )
    starts = WithParts(fixed, ["stem", "classifier"], ["oja", "bp"], {}).starts
    assert starts == [
        (0, 0, 0),
        (1, 1, 0),
    ]  # oja and its stem, with the only rule that teaches a classifier; bp
    assert space.nothing is None  # the first alternative of a part is a rule, no empty edge
    assert WithParts(Decisions201(["bp"]), [], ["bp"], ROLES).nothing == 0
    with pytest.raises(UsageError, match='"preprocess" is no part'):
        WithParts(Decisions201(["bp"]), ["preprocess"], ["bp"], ROLES)
    with pytest.raises(UsageError, match="hears of the labels"):
        WithParts(Decisions201(["oja"]), ["classifier"], ["oja"], ROLES)
