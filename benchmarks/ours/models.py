"""The networks of the rows, with weights and a batch that depend on nothing but their settings.

A peer in another process builds the same model to take its weights.
"""

from typing import NamedTuple

import numpy as np

from ...engine.backend import Array
from ...engine.random import Key, bits, uniform
from ...engine.registry import make_rule
from ...engine.rules.backprop import BackPropagation
from ...layers.chosen import Edge
from ...layers.model import Model
from ...layers.named import RulesByName
from ...layers.network import CellGenotype, GenotypeNetwork
from ...layers.norm import Normalise
from ...layers.resnet import ResNet
from ...layers.supernet import Supernet
from ...search.architecture import Architecture
from ...search.passes import Batch
from ...search.space import candidates

KEY = Key(0, "benchmark")
CLASSES, CHANNELS = 10, 3
SEP3, DIL3, SKIP, MAX = "sep_conv_3x3", "dil_conv_3x3", "skip_connect", "max_pool_3x3"
DARTS_V2 = (  # of each node's two edges the source and the operation (Liu, Simonyan & Yang 2019, figures 4 and 5)
    [(0, SEP3), (1, SEP3), (0, SEP3), (1, SEP3), (1, SEP3), (0, SKIP), (0, SKIP), (2, DIL3)],
    [(0, MAX), (1, MAX), (2, SKIP), (1, MAX), (0, MAX), (2, SKIP), (2, SKIP), (1, MAX)],
)


class Searched(NamedTuple):
    """A supernet ready to run, and the architecture weights that mix its candidates."""

    model: Model
    supernet: Supernet
    architecture: Architecture


def supernet(channels: int, cells: int, rules: list[str], weights: str, operations: list[str]) -> Searched:
    """A DARTS supernet with 4 nodes a cell. operations: of the DARTS space; weights: "own" or "shared"."""
    offered = candidates(operations, rules)
    architecture = Architecture(offered, 4, KEY, BackPropagation(), weights == "shared")
    network = Supernet(CHANNELS, CLASSES, architecture.lanes_of_edge, channels=channels, cells=cells)
    return Searched(ready(network), network, architecture)


def darts(channels: int, cells: int, rule: str) -> Model:
    """DARTS_V2's network with its auxiliary head; the searched edges learn by `rule`, the rest by BP."""
    normal, reduce = (cell(chosen, rule) for chosen in DARTS_V2)
    network = GenotypeNetwork(
        CHANNELS, CLASSES, normal, reduce, channels=channels, cells=cells, auxiliary=True
    )
    return ready(network)


def cell(chosen: list[tuple[int, str]], rule: str) -> CellGenotype:
    def edge(place: int, source: int, operation: str) -> Edge:
        return Edge(2 + place // 2, source, operation, make_rule(rule) if "conv" in operation else None)

    return CellGenotype([edge(place, *each) for place, each in enumerate(chosen)], (2, 3, 4, 5))


def resnet(rule: str) -> Model:
    """ResNet-20, every layer by `rule`."""
    return ready(ResNet(CHANNELS, CLASSES, RulesByName({"*": rule}), 20))


def ready(network: Supernet | GenotypeNetwork | ResNet) -> Model:
    return Model(network, Normalise((0.5,) * CHANNELS, (0.25,) * CHANNELS), KEY)


def batch(count: int, size: int) -> Batch:
    """Images (count, 3, size, size) uniform on [0, 1), and labels."""
    labels = bits(KEY.to("labels"), count) % np.uint64(CLASSES)
    images: Array = uniform(KEY.to("images"), (count, CHANNELS, size, size))
    return Batch(images, labels.astype(np.int64))
