"""Parameters of published and well-known networks, and the plan of their cells."""

import pytest
from bionas_cupy.engine.registry import make_rule
from bionas_cupy.engine.rule import Rule
from bionas_cupy.layers.layer import Layer
from bionas_cupy.layers.lenet import LeNet
from bionas_cupy.layers.mlp import MLP
from bionas_cupy.layers.network import GenotypeNetwork
from bionas_cupy.layers.resnet import ResNet
from bionas_cupy.layers.skeleton import plan
from network_cases import PUBLISHED, cell, size


def published(
    name: str, channels: int, cells: int, classes: int = 10, auxiliary: bool = False
) -> GenotypeNetwork:
    normal, reduce = (cell(chosen) for chosen in PUBLISHED[name])
    return GenotypeNetwork(3, classes, normal, reduce, channels=channels, cells=cells, auxiliary=auxiliary)


@pytest.mark.parametrize(
    ("name", "channels", "cells", "classes", "count"),
    [
        ("DARTS_V2", 36, 20, 10, 3_349_342),
        ("DARTS_V1", 36, 20, 10, 3_169_414),
        ("PC_DARTS", 36, 20, 10, 3_634_678),
        ("DARTS_V2", 36, 20, 100, 3_401_272),
        ("PC_DARTS", 36, 20, 100, 3_686_608),
        ("DARTS_V2", 16, 8, 10, 246_106),
        ("DARTS_V1", 16, 8, 10, 232_890),
        ("PC_DARTS", 16, 8, 10, 335_738),
    ],
)
def test_published_sizes(name: str, channels: int, cells: int, classes: int, count: int) -> None:
    assert size(published(name, channels, cells, classes)) == count


def test_size_of_the_auxiliary_head() -> None:
    more = size(published("DARTS_V2", 36, 20, auxiliary=True)) - 3_349_342
    assert more == 576 * 128 + 2 * 128 + 128 * 768 * 4 + 2 * 768 + 768 * 10 + 10


def bp(_: str) -> Rule:
    return make_rule("bp")


@pytest.mark.parametrize(
    ("network", "count"),
    [
        (ResNet(3, 10, bp, 20), 269_722),
        (ResNet(3, 10, bp, 56), 853_018),
        (MLP(64, 10, bp, (30, 20)), 65 * 30 + 31 * 20 + 21 * 10),
        (LeNet(1, (28, 28), 10, bp), 520 - 20 + 25_000 + 140 + 2450 * 500 + 500 + 5010),
    ],
)
def test_known_sizes(network: Layer, count: int) -> None:
    assert size(network) == count


def test_plan_of_cells() -> None:
    plans = plan(20, 36, {False: 4, True: 4})
    assert [i for i, p in enumerate(plans) if p.reduction] == [6, 13]
    assert [i for i, p in enumerate(plans) if p.halve] == [7, 14]
    assert [p.channels for p in plans] == [36] * 6 + [72] * 7 + [144] * 7
    assert [p.inputs for p in plans[:3]] == [(108, 108), (108, 144), (144, 144)]
    assert plans[7].inputs == (144, 288)
