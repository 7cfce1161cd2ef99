"""One step of the supernet: every candidate with each rule, and rules blended on one weight."""

import numpy as np
import pytest
from bionas_cupy.engine.lanes import Blend
from bionas_cupy.engine.registry import make_rule, make_rules
from bionas_cupy.layers.mixed import OperationLanes
from bionas_cupy.layers.partial import PartialCell
from bionas_cupy.layers.roles import Roles
from bionas_cupy.layers.supernet import Supernet
from compare import CLASSES, Case, check_float32, check_float64, images
from one_step import Batch, ours
from torch_darts import Darts, search_edges
from torch_rules import Rules

pytestmark = pytest.mark.oracle

SIZE = 9, 7  # strides meet odd sizes
PLAIN = "none", "max_pool_3x3", "avg_pool_3x3"
CONVOLUTIONS = "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5"
ROLES = {"stem": "bp", "preprocess": "usf", "reduce": "fa", "auxiliary": "bp", "classifier": "frsf"}
Offer = list[tuple[str, list[Rules]]]  # of an edge: each operation with the rules of its lanes

LANES = {  # (rules of the convolutions, rules of skip)
    "default": (["fa", "usf", "brsf", "frsf"], ["bp"]),
    "paper": (["usf", "brsf", "frsf", "fa"], ["usf", "frsf", "brsf"]),
    "bp and dfa": (["bp", "qsf2", "dfa"], ["dfa", "bp"]),
    "qsf and power": (["usf(scale=1)", "qsf3", "power(p=0.5)", "power(p=0.25;q=0.5)"], ["qsf2"]),
    "one": (["dfa"], ["fa"]),
}
BLENDS = {
    "default": ["fa", "usf", "brsf", "frsf"],
    "with routes of their own": ["bp", "dfa", "qsf2", "fa"],
}
# whose rules learn in a way of their own: test_inspection.py
OWN_LANES = {"own": (["hebbian(sends=exact)", "oja", "wp(sigma=0.1)", "usf"], ["np(sigma=0.1)", "hpca"])}
OWN_BLENDS = {"own": ["hebbian(sends=exact)", "dfa", "wp(sigma=0.1)", "swta"]}


def lanes(which: str) -> Offer:
    convolutions, skip = (LANES | OWN_LANES)[which]
    weighted = [(name, list(convolutions)) for name in CONVOLUTIONS]
    return [*((name, ["bp"]) for name in PLAIN), ("skip_connect", list(skip)), *weighted]


def blends(which: str, reduction: bool, edge: int) -> Offer:
    """One forward weight an operation, with shares of the rules that differ from edge to edge."""
    random, rules = np.random.default_rng(100 * reduction + edge), (BLENDS | OWN_BLENDS)[which]

    def shares() -> list[Rules]:
        return [list(zip(random.dirichlet(np.ones(4)).tolist(), rules, strict=True))]

    weighted = [(name, shares()) for name in ("skip_connect", *CONVOLUTIONS)]
    return [*((name, ["bp"]) for name in PLAIN), *weighted]


def engine_lanes(offer: Offer) -> list[OperationLanes]:
    def rule(rules: Rules):
        if isinstance(rules, str):
            return make_rule(rules)
        return Blend(make_rules([name for _, name in rules]), [share for share, _ in rules])

    return [OperationLanes(name, [rule(r) for r in rules]) for name, rules in offer]


def case(kind: str, which: str, nodes: int = 2, partial: int = 1) -> Case:
    def offer(reduction: bool, edge: int) -> Offer:
        return lanes(which) if kind == "lanes" else blends(which, reduction, edge)

    roles = Roles(**{role: make_rule(name) for role, name in ROLES.items()})
    joined = list(range(2, nodes + 2))
    edges = {k: search_edges(lambda e: offer(k, e), nodes) for k in (False, True)}  # noqa: B023  (called at once)
    size = {"channels": 4 * min(partial, 3), "cells": 3, "nodes": nodes, "partial": partial}
    form = {"affine": False, "partial": partial}
    return Case(
        lambda: Supernet(3, CLASSES, lambda k, e: engine_lanes(offer(k, e)), roles=roles, **size),
        lambda: Darts(3, CLASSES, size["channels"], 3, edges, {False: joined, True: joined}, ROLES, **form),
    )


def batch(seed: int, case: Case, count: int = 3, size: tuple[int, int] = SIZE, **form: object) -> Batch:
    """Images, and positive weights of the lanes that sum to 1 on each edge."""
    edge = case.network().cell[0].edge
    random = np.random.default_rng(seed)
    width = edge[0].lanes + isinstance(case.network().cell[0], PartialCell)
    q = tuple(random.dirichlet(np.ones(width), len(edge)) for _ in range(2))
    return images(seed, count, size, q=q, smoothing=0.1, update=2, **form)


FORMS = pytest.mark.parametrize(
    ("kind", "which"), [("lanes", which) for which in LANES] + [("blends", which) for which in BLENDS]
)


@FORMS
def test_float64(kind: str, which: str) -> None:
    check_float64(case(kind, which), batch(1, case(kind, which)))


@FORMS
def test_exact_flag_gives_the_gradient(kind: str, which: str) -> None:
    check_float64(case(kind, which), batch(2, case(kind, which), exact=True))


@FORMS
def test_float32(kind: str, which: str) -> None:
    form = case(kind, which)
    check_float32(form, lambda seed: batch(seed, form))


def test_one_image_of_one_pixel_in_the_end() -> None:
    """Norms leave nothing of a single pixel: the logits are zero, and backward reaches the stem."""
    form = case("lanes", "default")
    found = ours(form.model(np.float64), batch(4, form, count=1, size=(4, 4)))
    assert np.abs(found["logits0"]).max() < 1e-12
    assert all(np.isfinite(x).all() for x in found.values())


def test_four_nodes() -> None:
    check_float64(case("lanes", "default", 4), batch(3, case("lanes", "default", 4)))


@pytest.mark.parametrize("partial", [2, 3, 4])
def test_partial_channels(partial: int) -> None:
    """PC-DARTS' edge, each with a concatenation and a shuffle of its own; with 4 parts of 12 channels, odd sizes."""
    check_float64(
        case("lanes", "default", partial=partial), batch(5, case("lanes", "default", partial=partial))
    )


def test_partial_channels_in_float32() -> None:
    form = case("blends", "default", partial=2)
    check_float32(form, lambda seed: batch(seed, form))
