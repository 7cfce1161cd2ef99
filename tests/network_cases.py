"""Published genotypes of cells, and a network made ready."""

from bionas_cupy.engine.random import Key
from bionas_cupy.engine.registry import make_rule
from bionas_cupy.layers.candidates import OPERATIONS
from bionas_cupy.layers.chosen import Edge
from bionas_cupy.layers.layer import Layer
from bionas_cupy.layers.model import Model
from bionas_cupy.layers.network import CellGenotype
from bionas_cupy.layers.norm import Normalise

SEP3, SEP5, DIL3 = "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3"
SKIP, MAX, AVG = "skip_connect", "max_pool_3x3", "avg_pool_3x3"
Chosen = list[tuple[str, int]]  # two edges a node: the operation, and where it comes from
PUBLISHED: dict[str, tuple[Chosen, Chosen]] = {
    "DARTS_V2": (
        [(SEP3, 0), (SEP3, 1), (SEP3, 0), (SEP3, 1), (SEP3, 1), (SKIP, 0), (SKIP, 0), (DIL3, 2)],
        [(MAX, 0), (MAX, 1), (SKIP, 2), (MAX, 1), (MAX, 0), (SKIP, 2), (SKIP, 2), (MAX, 1)],
    ),
    "DARTS_V1": (
        [(SEP3, 1), (SEP3, 0), (SKIP, 0), (SEP3, 1), (SKIP, 0), (SEP3, 1), (SEP3, 0), (SKIP, 2)],
        [(MAX, 0), (MAX, 1), (SKIP, 2), (MAX, 0), (MAX, 0), (SKIP, 2), (SKIP, 2), (AVG, 0)],
    ),
    "PC_DARTS": (
        [(SEP3, 1), (SKIP, 0), (SEP3, 0), (DIL3, 1), (SEP5, 0), (SEP3, 1), (AVG, 0), (DIL3, 1)],
        [(SEP5, 1), (MAX, 0), (SEP5, 1), (SEP5, 2), (SEP3, 0), (SEP3, 3), (SEP3, 1), (SEP3, 2)],
    ),
}


def cell(chosen: Chosen, rule: str = "bp") -> CellGenotype:
    edges = [
        Edge(2 + i // 2, source, o, make_rule(rule) if OPERATIONS[o].weighted else None)
        for i, (o, source) in enumerate(chosen)
    ]
    return CellGenotype(edges, (2, 3, 4, 5))


def size(network: Layer) -> int:
    return sum(p.size for _, layer in network.walk() for _, p in layer.parameters())


def model(network: Layer, seed: int = 0) -> Model:
    return Model(network, Normalise([0.5], [0.3]), Key(seed))
