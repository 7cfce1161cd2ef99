"""One step of a searched network, trained with its auxiliary head."""

import pytest
from bionas_cupy.engine.registry import make_rule
from bionas_cupy.layers.chosen import Edge
from bionas_cupy.layers.network import CellGenotype, GenotypeNetwork
from bionas_cupy.layers.roles import ROLES, Roles
from compare import CLASSES, RULES, Case, check_float32, check_float64, images
from torch_darts import Darts, chosen_edges

pytestmark = pytest.mark.oracle

SIZE = 32, 32  # what the auxiliary head is made for
MIXED = dict(zip(ROLES, ("bp", "usf", "fa", "frsf", "dfa"), strict=True))
NORMAL = (
    (2, 0, "sep_conv_3x3"), (2, 1, "sep_conv_5x5"), (3, 0, "sep_conv_3x3"), (3, 1, "skip_connect"),
    (4, 1, "dil_conv_5x5"), (4, 0, "skip_connect"), (5, 0, "avg_pool_3x3"), (5, 2, "dil_conv_3x3"),
)  # fmt: skip
REDUCE = (
    (2, 0, "max_pool_3x3"), (2, 1, "sep_conv_3x3"), (3, 2, "skip_connect"), (3, 1, "skip_connect"),
    (4, 0, "avg_pool_3x3"), (4, 2, "dil_conv_5x5"), (5, 2, "max_pool_3x3"), (5, 1, "sep_conv_5x5"),
)  # fmt: skip
Cells = dict[bool, tuple[tuple[tuple[int, int, str], ...], tuple[int, ...]]]  # {reduction: (edges, concat)}
CELLS: Cells = {False: (NORMAL, (2, 3, 4, 5)), True: (REDUCE, (2, 3, 4, 5))}


def weighted(operation: str) -> bool:
    return "_conv_" in operation


def genotype(rule: str, edges: tuple[tuple[int, int, str], ...], concat: tuple[int, ...]) -> CellGenotype:
    return CellGenotype([Edge(*e, make_rule(rule) if weighted(e[2]) else None) for e in edges], concat)


def case(
    rule: str,
    roles: dict[str, str] | None = None,
    count: int = 3,
    cells: Cells = CELLS,
    auxiliary: bool = True,
) -> Case:
    """All edges learn by `rule`, and so do the fixed parts where `roles` does not say otherwise."""
    roles = roles or dict.fromkeys(ROLES, rule)
    made = Roles(**{role: make_rule(name) for role, name in roles.items()})
    found = [genotype(rule, *cells[kind]) for kind in (False, True)]
    twins = {
        kind: chosen_edges([(*e, rule if weighted(e[2]) else roles["reduce"]) for e in edges])
        for kind, (edges, _) in cells.items()
    }
    concat = {kind: joined for kind, (_, joined) in cells.items()}
    return Case(
        lambda: GenotypeNetwork(3, CLASSES, *found, channels=2, cells=count, auxiliary=auxiliary, roles=made),
        lambda: Darts(3, CLASSES, 2, count, twins, concat, roles, affine=True, auxiliary=auxiliary),
    )


@pytest.mark.parametrize("rule", RULES)
def test_float64(rule: str) -> None:
    check_float64(case(rule), images(1, 4, SIZE, smoothing=0.1, update=3))


@pytest.mark.parametrize("rule", RULES)
def test_float32(rule: str) -> None:
    check_float32(case(rule), lambda seed: images(seed, 8, SIZE, update=1))


@pytest.mark.parametrize("rule", RULES)
def test_exact_flag_gives_the_gradient(rule: str) -> None:
    check_float64(case(rule), images(2, 4, SIZE, exact=True))


@pytest.mark.parametrize("training", [True, False])
def test_rules_by_role(training: bool) -> None:
    check_float64(case("brsf", MIXED, count=5), images(3, 4, SIZE, training=training))


def test_nodes_that_nothing_reads() -> None:
    """Normal cells do not join node 2, which others read; reduction cells neither join nor read node 5."""
    cells = {False: (NORMAL, (3, 4, 5)), True: (REDUCE, (2, 3, 4))}
    check_float64(case("usf", MIXED, 4, cells, auxiliary=False), images(4, 3, (11, 9)))


@pytest.mark.parametrize("source", [0, 1])
def test_an_input_that_nothing_reads(source: int) -> None:
    edges = ((2, source, "sep_conv_3x3"), (2, source, "skip_connect"), (3, 2, "dil_conv_3x3"))
    cells = {False: (edges, (2, 3)), True: (REDUCE, (2, 3, 4, 5))}
    check_float64(case("frsf", MIXED, 4, cells, auxiliary=False), images(5, 3, (11, 9)))
