"""A case of every layer, by name: how it is made, and on inputs of which shapes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from bionas_cupy.engine.random import Key
from bionas_cupy.engine.step import Step
from bionas_cupy.layers import nasbench201
from bionas_cupy.layers.activation import RelativePower, Triangle
from bionas_cupy.layers.auxiliary import AuxiliaryHead
from bionas_cupy.layers.candidates import OPERATIONS, FactorizedReduce
from bionas_cupy.layers.competition import Competition
from bionas_cupy.layers.contest import CompetingCells, Contest
from bionas_cupy.layers.dropout import Dropout, DropPath, SkipDropout
from bionas_cupy.layers.inoue import InoueNetwork
from bionas_cupy.layers.krotov_hopfield import KrotovHopfieldNetwork
from bionas_cupy.layers.layer import Layer
from bionas_cupy.layers.lenet import LeNet
from bionas_cupy.layers.mlp import MLP
from bionas_cupy.layers.model import Model
from bionas_cupy.layers.network import FixedCell, GenotypeNetwork
from bionas_cupy.layers.norm import BatchNorm, Normalise
from bionas_cupy.layers.padding import ReflectPad
from bionas_cupy.layers.partial import HalvingPool
from bionas_cupy.layers.pointwise import AveragePool, Flatten, GlobalAverage, MaxPool, ReLU
from bionas_cupy.layers.resnet import BasicBlock, ResNet
from bionas_cupy.layers.softhebb import SoftHebbNetwork
from layer_builders import (
    NORMAL,
    ONE_INPUT,
    REDUCE,
    Array,
    NextRule,
    always_bp,
    contest,
    edge,
    fixed_cell,
    genotype_network,
    lanes,
    nasbench201_network,
    search_cell,
    sequence,
    supernet,
)


@dataclass(frozen=True)
class Case:
    """A layer of rules, its inputs' shapes, how it is run. fixed: inputs that a tangent holds still."""

    make: Callable[[NextRule], Layer]
    shapes: tuple[tuple[int, ...], ...]
    options: dict[str, Any] = field(default_factory=dict)
    fixed: tuple[int, ...] = ()
    input_error: bool = True

    def inputs(self) -> list[Array]:
        rng = np.random.default_rng(11)
        return [rng.standard_normal(shape) for shape in self.shapes]

    def model(self, rule: NextRule = always_bp) -> Model:
        """Weights and running statistics off their special initial values."""
        model = ready_model(self.make(rule))
        for name, layer in model.network.walk():
            for label, buffer in getattr(layer, "buffers", {}).items():
                buffer += np.random.default_rng(len(name + label)).uniform(0.1, 1.0, buffer.shape)
        return model

    def step(self, **more: Any) -> Step:
        top = np.random.default_rng(12).standard_normal((self.shapes[0][0], 3))
        return Step(Key(3, "step"), **{"top": top, **self.options, **more})


def ready_model(layer: Layer) -> Model:
    model = Model(layer, Normalise([0.0], [1.0]), Key(4), np.float64)
    model.arena.value += 0.1 * np.random.default_rng(1).standard_normal(model.arena.value.size)
    return model


def plain(layer: Callable[[], Layer], *shapes: tuple[int, ...], **options: Any) -> Case:
    return Case(lambda _: layer(), shapes, options)


MAPS, ODD = (4, 1, 4, 6, 6), (3, 1, 4, 7, 5)
EVALUATE = {"training": False}
ALL = list(OPERATIONS)
LANES_OF_ALL = sum(len(o.rules) for o in lanes(always_bp))
CASES: dict[str, Case] = {
    "relu": plain(ReLU, MAPS),
    "relu_of_vectors": plain(ReLU, (3, 5)),
    "competition": plain(Competition, (4, 7)),
    "flatten": plain(Flatten, MAPS),
    "global_average": plain(GlobalAverage, ODD),
    "reflect_pad": plain(lambda: ReflectPad(2), ODD),
    **{f"triangle_{p}": plain(lambda p=p: Triangle(p), ODD) for p in (0.7, 1.0, 1.4)},
    **{f"relative_power_{n}": plain(lambda n=n: RelativePower(n), (5, 7)) for n in (1.0, 4.5)},
    "dropout": plain(lambda: Dropout(0.4), (5, 7)),
    "dropout_in_evaluation": plain(lambda: Dropout(0.4), MAPS, **EVALUATE),
    "skip_dropout": plain(SkipDropout, (5, 1, 2, 3, 3), drop_path=0.4),
    "drop_path": plain(DropPath, (8, 1, 2, 3, 3), drop_path=0.4),
    "drop_path_in_evaluation": plain(DropPath, MAPS, drop_path=0.4, **EVALUATE),
    **{
        f"{name}_pool_{'_'.join(map(str, window))}{'_odd' if shape == ODD else ''}": plain(
            lambda kind=kind, window=window: kind(*window), shape
        )
        for name, kind in (("max", MaxPool), ("average", AveragePool))
        for window in ((3, 1, 1), (3, 2, 1), (2, 2, 0), (5, 3, 0))
        for shape in (MAPS, ODD)
    },
    "norm": plain(lambda: BatchNorm(4), MAPS),
    "norm_relu": plain(lambda: BatchNorm(4, relu=True), ODD),
    "norm_plain": plain(lambda: BatchNorm(4, affine=False, track=False), MAPS),
    "norm_plain_relu_lanes": plain(lambda: BatchNorm(2, 3, False, False, relu=True), (4, 3, 2, 3, 5)),
    "norm_lanes": plain(lambda: BatchNorm(2, 3), (4, 3, 2, 3, 5)),
    "norm_in_evaluation": plain(lambda: BatchNorm(4, relu=True), MAPS, **EVALUATE),
    "norm_plain_in_evaluation": plain(lambda: BatchNorm(4, affine=False), MAPS, **EVALUATE),
    "norm_untracked_in_evaluation": plain(lambda: BatchNorm(4, track=False), MAPS, **EVALUATE),
    "norm_of_the_batch_in_evaluation": plain(lambda: BatchNorm(4), MAPS, batch_statistics=True, **EVALUATE),
    "reduce_even": Case(lambda rule: FactorizedReduce(4, 6, [rule()]), (MAPS,)),
    "reduce_odd": Case(lambda rule: FactorizedReduce(4, 6, [rule()]), (ODD,)),
    "reduce_odd_outputs": Case(lambda rule: FactorizedReduce(4, 5, [rule()]), ((3, 1, 4, 5, 6),)),
    "reduce_lanes": Case(lambda rule: FactorizedReduce(4, 6, [rule(), rule()]), (ODD,)),
    "sequence": Case(sequence, ((5, 1, 2, 6, 5),)),
    **{
        f"edge_{name}_stride_{stride}": Case(
            lambda rule, name=name, stride=stride: edge(rule, ["none", name], stride),
            (shape, (1 + (3 if name == "skip_connect" else 2 if OPERATIONS[name].weighted else 1),)),
            fixed=(1,),
        )
        for name in ALL[1:]
        for stride, shape in ((1, MAPS), (2, ODD))
    },
    "edge_of_all": Case(lambda rule: edge(rule, ALL, 1), (MAPS, (LANES_OF_ALL,)), fixed=(1,)),
    "edge_of_all_stride_2": Case(lambda rule: edge(rule, ALL, 2), (MAPS, (LANES_OF_ALL,)), fixed=(1,)),
    "search_cell": Case(
        lambda rule: search_cell(rule, False, False), ((3, 1, 3, 6, 6), (3, 1, 5, 6, 6), (5, 9)), fixed=(2,)
    ),
    "search_cell_halving": Case(
        lambda rule: search_cell(rule, False, True), ((3, 1, 3, 9, 7), (3, 1, 5, 5, 4), (5, 9)), fixed=(2,)
    ),
    "search_cell_reducing": Case(
        lambda rule: search_cell(rule, True, False), ((3, 1, 3, 6, 7), (3, 1, 5, 6, 7), (5, 9)), fixed=(2,)
    ),
    "block": Case(lambda rule: BasicBlock(3, 3, 1, lambda _: rule(), "b"), ((3, 1, 3, 5, 6),)),
    "block_stride_2": Case(lambda rule: BasicBlock(3, 5, 2, lambda _: rule(), "b"), ((3, 1, 3, 6, 7),)),
    "fixed_cell": Case(
        lambda rule: fixed_cell(rule, NORMAL, False, False), ((4, 1, 3, 6, 5), (4, 1, 5, 6, 5))
    ),
    "fixed_cell_halving": Case(
        lambda rule: fixed_cell(rule, NORMAL, False, True),
        ((4, 1, 3, 9, 7), (4, 1, 5, 5, 4)),
        {"drop_path": 0.3},
    ),
    "fixed_cell_reducing": Case(
        lambda rule: fixed_cell(rule, REDUCE, True, False), ((4, 1, 3, 6, 7), (4, 1, 5, 6, 7))
    ),
    "fixed_cell_of_one_input": Case(
        lambda rule: fixed_cell(rule, ONE_INPUT, False, False), ((4, 1, 3, 6, 5), (4, 1, 5, 6, 5))
    ),
    "fixed_cell_in_evaluation": Case(
        lambda rule: fixed_cell(rule, REDUCE, True, False), ((4, 1, 3, 6, 7), (4, 1, 5, 6, 7)), EVALUATE
    ),
    "search_cell_partial": Case(
        lambda rule: search_cell(rule, False, True, partial=3),
        ((3, 1, 3, 6, 6), (3, 1, 5, 3, 3), (5, 10)),
        {"drop_path": 0.3},  # after its identities
        fixed=(2,),
    ),
    "search_cell_partial_reducing": Case(
        lambda rule: search_cell(rule, True, False, partial=2),
        ((3, 1, 3, 6, 7), (3, 1, 5, 6, 7), (5, 10)),
        fixed=(2,),
    ),
    "halving_pool": plain(HalvingPool, ODD),
    "halving_pool_of_even": plain(HalvingPool, (3, 2, 1, 6, 5)),
    "auxiliary": Case(lambda rule: AuxiliaryHead(4, 3, rule()), ((6, 1, 4, 8, 8),)),
    "supernet": Case(supernet, ((3, 1, 2, 6, 6), (2, 10), (2, 10)), fixed=(1, 2), input_error=False),
    "contest": Case(contest, ((3, 1, 2, 6, 6), (1, 2), (1, 2)), fixed=(1, 2), input_error=False),
    "genotype_network": Case(genotype_network, ((4, 1, 2, 32, 32),), {"drop_path": 0.3}, input_error=False),
    "lenet": Case(lambda rule: LeNet(1, (8, 8), 3, lambda _: rule()), ((3, 1, 1, 8, 8),), input_error=False),
    "resnet": Case(lambda rule: ResNet(2, 3, lambda _: rule(), 8), ((3, 1, 2, 8, 8),), input_error=False),
    "krotov_hopfield": Case(
        lambda rule: KrotovHopfieldNetwork(18, 3, lambda _: rule(), [7], power=2.0),
        ((4, 1, 2, 3, 3),),
        input_error=False,
    ),
    "softhebb": Case(
        lambda rule: SoftHebbNetwork(2, (16, 16), 3, lambda _: rule(), width=1 / 48),
        ((2, 1, 2, 16, 16),),
    ),
    "inoue": Case(
        lambda rule: InoueNetwork(18, 3, lambda _: rule(), (7, 5)), ((4, 1, 2, 3, 3),), input_error=False
    ),
    "nasbench201": Case(nasbench201_network, ((4, 1, 2, 8, 8),), input_error=False),
    "mlp": Case(lambda rule: MLP(18, 3, lambda _: rule(), (7, 5)), ((4, 1, 2, 3, 3),), input_error=False),
}
HEAVY = [
    n
    for n in CASES
    if n.startswith(("search", "fixed", "supernet", "contest", "genotype", "resnet", "lenet", "nasbench"))
]
WITHOUT_TANGENT = {BasicBlock, FixedCell, GenotypeNetwork, CompetingCells, Contest}
WITHOUT_TANGENT |= {nasbench201.Cell, nasbench201.ReductionBlock}


def has_tangent(case: Case) -> bool:
    parts = {type(layer) for _, layer in case.make(always_bp).walk()}
    return not parts & WITHOUT_TANGENT


WITH_TANGENT = {name: case for name, case in CASES.items() if has_tangent(case)}
