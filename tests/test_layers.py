"""Every layer: backward and tangent against differences of forward, what the tape holds, forward itself."""

import functools
import importlib
import itertools
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import bionas_cupy.layers
import numpy as np
import pytest
from bionas_cupy.engine.check import GradientError, check_gradients
from bionas_cupy.engine.errors import BionasError
from bionas_cupy.engine.kernels.batchnorm import EPSILON
from bionas_cupy.engine.kernels.channel import relu_grad
from bionas_cupy.engine.parameter import Parameter, constant
from bionas_cupy.engine.random import Key
from bionas_cupy.engine.registry import make_rule
from bionas_cupy.engine.rule import Rule
from bionas_cupy.engine.step import Step
from bionas_cupy.layers import nasbench201
from bionas_cupy.layers.activation import RelativePower, Triangle
from bionas_cupy.layers.auxiliary import AuxiliaryHead
from bionas_cupy.layers.candidates import OPERATIONS, FactorizedReduce, is_normed, reads_rectified
from bionas_cupy.layers.cell import SearchCell, preprocess
from bionas_cupy.layers.chosen import Edge, chosen_operation
from bionas_cupy.layers.competition import Competition
from bionas_cupy.layers.conv import Conv
from bionas_cupy.layers.dropout import Dropout, DropPath, SkipDropout
from bionas_cupy.layers.inoue import InoueNetwork
from bionas_cupy.layers.krotov_hopfield import KrotovHopfieldNetwork
from bionas_cupy.layers.layer import Layer, Sequential
from bionas_cupy.layers.lenet import LeNet
from bionas_cupy.layers.linear import Linear
from bionas_cupy.layers.mixed import MixedEdge, OperationLanes
from bionas_cupy.layers.mlp import MLP
from bionas_cupy.layers.model import Model
from bionas_cupy.layers.network import CellGenotype, FixedCell, GenotypeNetwork
from bionas_cupy.layers.norm import BatchNorm, Normalise
from bionas_cupy.layers.padding import ReflectPad
from bionas_cupy.layers.partial import HalvingPool, PartialCell, shuffled, unshuffled
from bionas_cupy.layers.pointwise import AveragePool, Flatten, GlobalAverage, MaxPool, ReLU
from bionas_cupy.layers.predictive import PredictiveConv
from bionas_cupy.layers.resnet import BasicBlock, ResNet
from bionas_cupy.layers.roles import ROLES, Roles
from bionas_cupy.layers.skeleton import stem
from bionas_cupy.layers.softhebb import SoftHebbNetwork
from bionas_cupy.layers.supernet import Supernet
from bionas_cupy.layers.synapse import Synapse

Array = np.ndarray[Any, Any]
NextRule = Callable[[], Rule]
CONVOLUTIONS = ("sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5")
BEYOND_DARTS = ("conv_3x3", "pc_conv_3x3", "gated_pc_conv_3x3")
TRANSPORTING = ("fa", "usf", "brsf", "frsf", "qsf2", "power", "bp")


def always_bp() -> Rule:
    return make_rule("bp")


def every_rule() -> NextRule:
    specs = itertools.cycle(TRANSPORTING)
    return lambda: make_rule(next(specs))


# Layers that take more than x: as one input each, so that the same checks serve them


class WholeEdge(Layer):
    """A mixed edge with its rectifier: (x, q) to the node."""

    def __init__(self, edge: MixedEdge) -> None:
        self.edge = edge

    def forward(self, x: Array, q: Array, step: Step) -> Array:  # type: ignore[override]
        size = [-(-n // self.edge.stride) for n in x.shape[3:]]
        node, rectified = np.zeros((*x.shape[:3], *size)), np.maximum(x, 0)
        self.edge.add_to(node, x, rectified, q, step)
        step.keep(self, rectified)
        return node

    def backward(self, delta: Array, step: Step) -> tuple[Array, Array]:  # type: ignore[override]
        (rectified,) = step.take(self)
        below, positive = np.zeros_like(rectified), np.zeros_like(rectified)
        dq = self.edge.backward_to(delta, below, positive, step)
        return below + relu_grad(positive, rectified), dq

    def tangent(self, t: Array, _: Array, step: Step) -> Array:  # type: ignore[override]
        (rectified,) = step.take(self)
        size = [-(-n // self.edge.stride) for n in t.shape[3:]]
        node = np.zeros((*t.shape[:3], *size))
        self.edge.tangent_to(node, t, relu_grad(t, rectified), step)
        return node


class Pair(Layer):
    """A cell: (before, last), and q for a cell of the search."""

    def __init__(self, cell: SearchCell | FixedCell) -> None:
        self.cell = cell

    def forward(self, *inputs: Any) -> Array:
        return self.cell.forward_pair(*inputs)

    def backward(self, delta: Array, step: Step) -> Any:
        return self.cell.backward_pair(delta, step)

    def tangent(self, before: Array, last: Array, _: Array, step: Step) -> Array:  # type: ignore[override]
        assert isinstance(self.cell, SearchCell)
        return self.cell.tangent_pair(before, last, step)


class Whole(Layer):
    """A supernet: (images, q of normal cells, q of reduction cells)."""

    def __init__(self, supernet: Supernet) -> None:
        self.supernet = supernet

    def forward(self, images: Array, normal: Array, reduce: Array, step: Step) -> Array:  # type: ignore[override]
        return self.supernet.forward_mixed(images, (normal, reduce), step)

    def backward(self, delta: Array, step: Step) -> Any:
        return None, *self.supernet.backward_mixed(delta, step)

    def tangent(self, *inputs: Any) -> Array:
        return self.supernet.tangent_mixed(inputs[-1])


def lanes(rule: NextRule, names: Sequence[str] = tuple(OPERATIONS), count: int = 2) -> list[OperationLanes]:
    """`count` lanes for a convolution and one for the others; a skip has the paper's three."""
    wide = {name: count for name in names if OPERATIONS[name].weighted} | {"skip_connect": 3}
    return [OperationLanes(name, [rule() for _ in range(wide.get(name, 1))]) for name in names]


def edge(rule: NextRule, names: Sequence[str], stride: int, channels: int = 4) -> Layer:
    return WholeEdge(MixedEdge(channels, stride, lanes(rule, names)))


def search_cell(rule: NextRule, reduction: bool, halve: bool, partial: int = 1) -> Layer:
    few = lanes(rule, ["sep_conv_3x3", "skip_connect", "max_pool_3x3", "none", "dil_conv_3x3"])
    kind = SearchCell if partial == 1 else functools.partial(PartialCell, partial=partial)
    cell = kind(
        (3, 5),
        4 * partial,
        lambda _: few,
        reduction=reduction,
        halve=halve,
        preprocess_rule=rule(),
        reduce_rule=rule(),
        nodes=2,
    )
    return Pair(cell)


NORMAL = [(2, 0, "sep_conv_3x3"), (2, 1, "skip_connect"), (3, 2, "dil_conv_5x5"), (3, 0, "avg_pool_3x3")]
REDUCE = [(2, 0, "max_pool_3x3"), (2, 1, "skip_connect"), (3, 2, "skip_connect"), (3, 1, "sep_conv_5x5")]
ONE_INPUT = [(2, 1, "sep_conv_3x3"), (2, 1, "skip_connect"), (3, 2, "dil_conv_3x3")]


def genotype(rule: NextRule, edges: Sequence[tuple[int, int, str]]) -> CellGenotype:
    chosen = [Edge(n, s, o, rule() if OPERATIONS[o].weighted else None) for n, s, o in edges]
    return CellGenotype(chosen, (2, 3))


def roles(rule: NextRule) -> Roles:
    return Roles(*(rule() for _ in ROLES))


def fixed_cell(rule: NextRule, edges: Sequence[tuple[int, int, str]], reduction: bool, halve: bool) -> Layer:
    given = genotype(rule, edges)
    return Pair(FixedCell((3, 5), 4, given, reduction=reduction, halve=halve, roles=roles(rule)))


SOME = ["none", "max_pool_3x3", "avg_pool_3x3", "skip_connect", "sep_conv_3x3", "dil_conv_5x5"]


def supernet(rule: NextRule) -> Layer:
    net = Supernet(2, 3, lambda *_: lanes(rule, SOME), channels=2, cells=3, nodes=1, roles=roles(rule))
    return Whole(net)


def genotype_network(rule: NextRule) -> Layer:
    kinds = genotype(rule, NORMAL), genotype(rule, REDUCE)
    return GenotypeNetwork(2, 3, *kinds, channels=2, cells=3, auxiliary=True, roles=roles(rule))


def nasbench201_network(rule: NextRule) -> Layer:
    names = "nor_conv_3x3", "none", "nor_conv_1x1", "skip_connect", "avg_pool_3x3", "nor_conv_3x3"
    edges = [
        Edge(*ends, name, rule() if name in nasbench201.WEIGHTED else None)
        for ends, name in zip(nasbench201.EDGES, names, strict=True)
    ]
    return nasbench201.NasBench201Network(2, (8, 8), 3, edges, channels=2, cells=1, roles=roles(rule))


def sequence(rule: NextRule) -> Layer:
    return Sequential(
        conv=Conv(2, 3, 3, [rule()], stride=2),
        norm=BatchNorm(3, relu=True),
        flatten=Flatten(),
        hidden=Linear(27, 6, [rule()]),
        relu=ReLU(),
        out=Linear(6, 2, [rule()], bias=False),
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
    if n.startswith(("search", "fixed", "supernet", "genotype", "resnet", "lenet", "nasbench"))
]
WITHOUT_TANGENT = {BasicBlock, FixedCell, GenotypeNetwork, nasbench201.Cell, nasbench201.ReductionBlock}


def has_tangent(case: Case) -> bool:
    parts = {type(layer) for _, layer in case.make(always_bp).walk()}
    return not parts & WITHOUT_TANGENT


WITH_TANGENT = {name: case for name, case in CASES.items() if has_tangent(case)}


def test_every_layer_has_a_case() -> None:
    modules = [
        importlib.import_module(f"{bionas_cupy.layers.__name__}.{m.name}")
        for m in pkgutil.iter_modules(bionas_cupy.layers.__path__)
    ]
    classes = {
        c
        for module in modules
        for c in vars(module).values()
        if isinstance(c, type) and issubclass(c, Layer) and c.__module__ == module.__name__
    }
    checked = {type(layer) for case in CASES.values() for _, layer in case.make(always_bp).walk()}
    assert classes - checked == {Layer, Synapse}
    assert {c for c in classes if not _implements_tangent(c)} == {
        *WITHOUT_TANGENT,
        *(Layer, MixedEdge, SearchCell, PartialCell, Supernet),  # theirs have names of their own
    }


def _implements_tangent(kind: type[Layer]) -> bool:
    return kind.tangent is not Layer.tangent


@pytest.mark.parametrize("name", CASES)
def test_backward_is_the_gradient(name: str) -> None:
    case = CASES[name]
    model, heavy = case.model(), name in HEAVY
    report = check_gradients(
        model.network,
        case.inputs(),
        step=case.step(),
        directions=1 if heavy else 2,
        full=0 if heavy else 24,
        input_error=case.input_error or bool(case.fixed),
    )
    inputs = len(case.inputs()) if case.input_error else len(case.fixed)
    assert len(report.errors) == inputs + len(model.arena.parameters)


# The tangent sweep


def run(case: Case, model: Model, inputs: Sequence[Array], step: Step) -> tuple[list[Array], Array]:
    """What backward returns for a random δ, and that δ; gradients are in the arena."""
    y = model.network.forward(*[a.copy() for a in inputs], step)
    c = np.random.default_rng(13).standard_normal(y.shape)
    model.arena.grad[...] = 0.0
    sent = model.network.backward(c.copy(), step)
    return (list(sent) if len(inputs) > 1 else [sent]), c


def directions(case: Case, model: Model) -> tuple[list[Array], Array]:
    """t for every input, v for the weights."""
    rng = np.random.default_rng(14)
    t = [rng.standard_normal(shape) for shape in case.shapes]
    still = range(len(t)) if not case.input_error else case.fixed
    return [0 * a if i in still else a for i, a in enumerate(t)], rng.standard_normal(model.arena.value.size)


def tangent(model: Model, t: Sequence[Array], v: Array, step: Step) -> Array:
    start = 0
    for p in model.arena.parameters:
        step.direction[p] = v[start : start + p.size].reshape(p.shape)
        start += p.size
    return model.network.tangent(*t, step)


@pytest.mark.parametrize("name", WITH_TANGENT)
def test_tangent_is_the_directional_derivative(name: str) -> None:
    case = CASES[name]
    model, x = case.model(), case.inputs()
    step = case.step(keep_tape=True)
    run(case, model, x, step)
    t, v = directions(case, model)
    found = tangent(model, t, v, step)
    w, errors = model.arena.value.copy(), []
    for h in (1e-5, 1e-6, 1e-7):  # the smaller ones where a step crosses a kink
        ends = []
        for sign in (1, -1):
            model.arena.value[...] = w + sign * h * v
            moved = [a + sign * h * b for a, b in zip(x, t, strict=True)]
            ends.append(model.network.forward(*moved, case.step()))
        seen = (ends[0] - ends[1]) / (2 * h)
        errors.append(np.linalg.norm(seen - found) / np.linalg.norm(seen))
    assert found.shape == seen.shape
    assert min(errors) < 1e-6


@pytest.mark.parametrize("rules", ["bp", "every"])
@pytest.mark.parametrize("name", WITH_TANGENT)
def test_tangent_is_the_transpose_of_backward(name: str, rules: str) -> None:
    """⟨c, T(t, v)⟩ = ⟨error below, t⟩ + ⟨gradient, v⟩, through whatever B the rules send the error."""
    case = CASES[name]
    model = case.model(always_bp if rules == "bp" else every_rule())
    step = case.step(keep_tape=True, update=3)
    sent, c = run(case, model, case.inputs(), step)
    t, v = directions(case, model)
    up = float(np.vdot(c, tangent(model, t, v, step)))
    parts = [np.vdot(e, d) for e, d in zip(sent, t, strict=True) if e is not None and e.shape == d.shape]
    down = [*parts, np.vdot(model.arena.grad, v)]
    assert up == pytest.approx(float(sum(down)), rel=1e-9, abs=1e-9 * float(np.linalg.norm(c)))


# The tape


def floats(value: Any) -> list[Array]:
    if isinstance(value, tuple | list):
        return [a for item in value for a in floats(item)]
    return [value] if isinstance(value, np.ndarray) and value.dtype.kind == "f" else []


@pytest.mark.parametrize("name", CASES)
def test_backward_reads_all_that_is_kept_and_frees_it(name: str) -> None:
    """Poisoned with NaN, each array on the tape changes the errors, the gradients or ∂L/∂q."""
    case = CASES[name]
    model, step = case.model(), case.step()
    y = model.network.forward(*case.inputs(), step)
    tape = dict(step.tape)
    c = np.random.default_rng(13).standard_normal(y.shape)

    def results() -> list[Array]:
        step.tape = dict(tape)
        model.arena.grad[...] = 0.0
        with np.errstate(all="ignore"):
            sent = model.network.backward(c.copy(), step)
        sent = list(sent) if len(case.shapes) > 1 else [sent]
        return [model.arena.grad.copy(), *(np.array(e) for e in sent if e is not None)]

    expected = results()
    left = {layer.name: kept for layer, kept in step.tape.items() if floats(kept)}  # type: ignore[attr-defined]
    assert not left
    if name in ("norm_plain_in_evaluation", "fixed_cell_of_one_input"):  # what nobody reads: in no network
        return
    for layer, kept in tape.items():
        if isinstance(layer, WholeEdge):  # of this file: what it keeps is for several edges
            continue
        for i, array in enumerate({id(a): a for a in floats(kept)}.values()):
            saved = array.copy()
            array[...] = np.nan
            found = results()
            array[...] = saved
            same = all(np.array_equal(a, b, equal_nan=True) for a, b in zip(found, expected, strict=True))
            assert not same, f"{layer.name}: backward does not read array {i}"  # type: ignore[attr-defined]
    assert all(np.array_equal(a, b) for a, b in zip(results(), expected, strict=True))


def test_kept_tape_stays() -> None:
    case = CASES["sequence"]
    model, step = case.model(), case.step(keep_tape=True)
    run(case, model, case.inputs(), step)
    assert {s.name for s in step.deltas} == {"conv", "hidden", "out"}  # type: ignore[attr-defined]
    assert len(step.tape) == 6


# Forward, written out


def batch_norm(x: Array, mean: Array | None = None, variance: Array | None = None) -> Array:
    mean = x.mean((0, 3, 4), keepdims=True) if mean is None else mean
    variance = x.var((0, 3, 4), keepdims=True) if variance is None else variance
    return (x - mean) / np.sqrt(variance + EPSILON)


def test_norm_forward_and_running_statistics() -> None:
    norm = BatchNorm(3, lanes=2)
    ready_model(norm)
    gamma, beta = (p.value[:, :, None, None] for p in (norm.gamma, norm.beta) if p is not None)
    x = 5 + 2 * np.random.default_rng(0).standard_normal((4, 2, 3, 5, 2))
    mean, variance = x.mean((0, 3, 4)), x.var((0, 3, 4), ddof=1)
    assert np.allclose(norm.forward(x, Step(Key(0))), gamma * batch_norm(x) + beta, rtol=1e-12, atol=1e-12)
    assert np.allclose(norm.buffers["mean"], 0.1 * mean)
    assert np.allclose(norm.buffers["variance"], 0.9 + 0.1 * variance)
    norm.forward(x, Step(Key(0)))
    assert np.allclose(norm.buffers["mean"], 0.19 * mean)
    assert np.allclose(norm.buffers["variance"], 0.81 + 0.19 * variance)
    for options in ({"training": False}, {"learn": False}, {"training": False, "batch_statistics": True}):
        y = norm.forward(x, Step(Key(0), **options))  # type: ignore[arg-type]
        assert np.allclose(norm.buffers["mean"], 0.19 * mean)
        if options == {"training": False}:
            running = (0.19 * mean)[:, :, None, None], (0.81 + 0.19 * variance)[:, :, None, None]
            assert np.allclose(y, gamma * batch_norm(x, *running) + beta)
        else:
            assert np.allclose(y, gamma * batch_norm(x) + beta)


def test_norm_keeps_its_digits_where_the_mean_is_large() -> None:
    x = (1e4 + np.random.default_rng(0).standard_normal((8, 1, 2, 6, 6))).astype(np.float32)
    norm = BatchNorm(2, affine=False)
    Model(norm, Normalise([0.0], [1.0]), Key(0))
    y = norm.forward(x, Step(Key(0)))
    assert abs(y - batch_norm(x.astype(np.float64))).max() < 2e-3  # one unit of x is 1e-3


def windows(x: Array, k: int, stride: int, padding: int) -> Array:
    """(..., Ho, Wo, k·k), NaN outside of the image."""
    x = np.pad(x, ((0, 0),) * (x.ndim - 2) + ((padding, padding),) * 2, constant_values=np.nan)
    view = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(-2, -1))[..., ::stride, ::stride, :, :]
    return view.reshape(*view.shape[:-2], k * k)


@pytest.mark.parametrize("window", [(3, 1, 1), (3, 2, 1), (2, 2, 0), (5, 3, 0)])
def test_pools_leave_the_padding_out(window: tuple[int, int, int]) -> None:
    x = np.random.default_rng(0).standard_normal(ODD) - 3.0
    seen = windows(x, *window)
    assert np.array_equal(MaxPool(*window).forward(x, Step(Key(0))), np.nanmax(seen, -1))
    assert np.allclose(AveragePool(*window).forward(x, Step(Key(0))), np.nanmean(seen, -1), rtol=1e-13)


def test_max_pool_sends_a_tie_to_the_first() -> None:
    pool, step = MaxPool(2, 2), Step(Key(0))
    pool.forward(np.ones((1, 1, 1, 2, 2)), step)
    assert np.array_equal(pool.backward(np.ones((1, 1, 1, 1, 1)), step)[0, 0, 0], [[1, 0], [0, 0]])


@pytest.mark.parametrize("shape", [MAPS, ODD])
def test_reduce_reads_even_and_odd_pixels(shape: tuple[int, ...]) -> None:
    layer = FactorizedReduce(4, 6, [make_rule("bp")])
    ready_model(layer)
    x = np.random.default_rng(0).standard_normal(shape)
    odd = np.zeros((*shape[:3], (shape[3] + 1) // 2, (shape[4] + 1) // 2))
    there = x[..., 1::2, 1::2]
    odd[..., : there.shape[3], : there.shape[4]] = there
    halves = [
        np.einsum("oc,nlchw->nlohw", conv.W.value[:, :, 0, 0], pixels)
        for conv, pixels in ((layer.even, x[..., ::2, ::2]), (layer.odd, odd))
    ]
    assert np.allclose(layer.forward(x, Step(Key(0))), np.concatenate(halves, 2))


@pytest.mark.parametrize("stride", [1, 2])
def test_block_adds_the_shortcut(stride: int) -> None:
    block = BasicBlock(3, 3 * stride, stride, lambda _: make_rule("bp"), "b")
    ready_model(block)
    x = np.random.default_rng(0).standard_normal((2, 1, 3, 5, 6))
    shortcut = x[..., ::stride, ::stride]
    shortcut = np.concatenate([shortcut, *[0 * shortcut] * (stride - 1)], 2)
    y = x
    for layer in list(block.body.layers.values())[:-1]:
        y = layer.forward(y, Step(Key(0)))
    norm = block.body.layers["norm1"]
    norm.relu = False  # type: ignore[attr-defined]  # its rectifier comes after the shortcut
    expected = np.maximum(norm.forward(y, Step(Key(0))) + shortcut, 0)
    norm.relu = True  # type: ignore[attr-defined]
    assert np.allclose(block.forward(x, Step(Key(0))), expected)


@pytest.mark.parametrize("stride", [1, 2])
def test_mixed_edge_is_the_weighted_sum_of_its_candidates(stride: int) -> None:
    layer = edge(always_bp, ALL, stride)
    ready_model(layer)
    assert isinstance(layer, WholeEdge)
    x, q = (
        np.random.default_rng(0).standard_normal(ODD),
        np.random.default_rng(1).standard_normal(LANES_OF_ALL),
    )
    expected, weights = 0.0, iter(q)
    for name, rules in lanes(always_bp):
        body, step = layer.edge.bodies.get(name), Step(Key(0))
        rectified = name in CONVOLUTIONS + BEYOND_DARTS or (name == "skip_connect" and stride == 2)
        source = np.maximum(x, 0) if rectified else x
        y = source if body is None else body.forward(source, step)
        y = y if name == "skip_connect" and stride == 1 else batch_norm(y)
        for r in range(len(rules)):
            w = next(weights)
            if name != "none":
                expected = expected + w * y[:, [r if y.shape[1] > 1 else 0]]
    assert np.allclose(layer.forward(x, q, Step(Key(0))), expected)


def test_every_lane_of_an_edge_has_weights_of_its_own() -> None:
    layer = edge(always_bp, ["sep_conv_3x3"], 1)
    model = ready_model(layer)
    for synapse in model.synapses:
        assert not np.array_equal(synapse.W.value[0], synapse.W.value[1])


def test_search_cell_sums_and_joins_its_nodes() -> None:
    layer = search_cell(always_bp, False, True)
    ready_model(layer)
    assert isinstance(layer, Pair)
    cell, (before, last, q) = layer.cell, CASES["search_cell_halving"].inputs()
    assert isinstance(cell, SearchCell)
    nodes = [cell.preprocess0.forward(before, Step(Key(0))), cell.preprocess1.forward(last, Step(Key(0)))]
    edges = iter(zip(cell.edge, q, strict=True))
    for i in range(2):
        parts = []
        for j in range(i + 2):
            mixed, weights = next(edges)
            parts.append(WholeEdge(mixed).forward(nodes[j], weights, Step(Key(0))))
        nodes.append(sum(parts[1:], parts[0]))
    assert np.allclose(layer.forward(before, last, q, Step(Key(0))), np.concatenate(nodes[2:], 2))


@pytest.mark.parametrize("reduction", [False, True])
def test_partial_cell_sends_the_rest_round_its_edges(reduction: bool) -> None:
    """PC-DARTS' edge by edge: mixed [first third] beside the pooled rest, channels shuffled, summed into the node."""
    layer = search_cell(always_bp, reduction, False, partial=3)
    ready_model(layer)
    assert isinstance(layer, Pair)
    cell, rng = layer.cell, np.random.default_rng(3)
    assert isinstance(cell, PartialCell)
    before, last, q = (rng.normal(size=shape) for shape in ((2, 1, 3, 6, 6), (2, 1, 5, 6, 6), (5, 10)))
    nodes = [cell.preprocess0.forward(before, Step(Key(0))), cell.preprocess1.forward(last, Step(Key(0)))]
    for i in range(2):
        parts = []
        for j in range(i + 2):
            mixed, weights = cell.edge[2 * i + j], q[2 * i + j]
            y = WholeEdge(mixed).forward(nodes[j][:, :, :4], weights[:-1], Step(Key(0)))
            rest = nodes[j][:, :, 4:]
            if mixed.stride == 2:
                rest = rest.reshape(2, 1, 8, 3, 2, 3, 2).max(axis=(4, 6))
            parts.append(np.concatenate([y, weights[-1] * rest], 2))
        joined = sum(parts[1:], parts[0])
        nodes.append(np.stack([joined[:, :, 4 * (c % 3) + c // 3] for c in range(12)], 2))
    assert np.allclose(layer.forward(before, last, q, Step(Key(0))), np.concatenate(nodes[2:], 2))


def test_shuffled_and_back() -> None:
    node, around = np.arange(2.0).reshape(1, 1, 2, 1, 1), np.arange(2.0, 6.0).reshape(1, 1, 4, 1, 1)
    assert shuffled(node, around).ravel().tolist() == [0, 2, 4, 1, 3, 5]
    again = unshuffled(shuffled(node, around), 3)
    assert [part.ravel().tolist() for part in again] == [[0, 1], [2, 3, 4, 5]]


def test_fixed_cell_runs_the_chosen_edges() -> None:
    layer = fixed_cell(always_bp, REDUCE, True, False)
    ready_model(layer)
    assert isinstance(layer, Pair)
    cell, (before, last) = layer.cell, CASES["fixed_cell_reducing"].inputs()
    nodes = [cell.preprocess0.forward(before, Step(Key(0))), cell.preprocess1.forward(last, Step(Key(0)))]
    for i in (2, 3):
        chosen = [(k, s) for k, (node, s, _) in enumerate(REDUCE) if node == i]
        nodes.append(sum(cell.edge[k].forward(nodes[s], Step(Key(0))) for k, s in chosen))
    y = layer.forward(before, last, Step(Key(0)))
    assert np.allclose(y, np.concatenate(nodes[2:], 2))
    assert y.shape == (4, 1, 8, 3, 4)


@pytest.mark.parametrize(
    ("name", "stride", "rectified", "searching", "evaluating"),
    [
        ("sep_conv_3x3", 1, True, True, True),
        ("dil_conv_5x5", 2, True, True, True),
        ("skip_connect", 1, False, False, False),
        ("skip_connect", 2, True, True, True),
        ("max_pool_3x3", 1, False, True, False),
        ("avg_pool_3x3", 2, False, True, False),
        ("none", 1, False, False, False),
    ],
)
def test_where_relu_and_norm_stand(
    name: str, stride: int, rectified: bool, searching: bool, evaluating: bool
) -> None:
    assert reads_rectified(name, stride) is rectified
    assert is_normed(name, stride, affine=False) is searching
    assert is_normed(name, stride, affine=True) is evaluating


def stack(layer: Layer) -> list[str]:
    """What a layer is made of, in order: "dw 5 /2 ~2" is depthwise 5x5, stride 2, dilation 2."""
    match layer:
        case Sequential():
            return [line for part in layer.layers.values() for line in stack(part)]
        case Conv():
            g = layer.geometry
            kind = "dw" if g.groups == layer.channels > 1 else "conv"
            more = (f" /{g.stride}" if g.stride > 1 else "") + (f" ~{g.dilation}" if g.dilation > 1 else "")
            return [f"{kind} {g.kernel}{more}"]
        case BatchNorm():
            plain_norm = "" if layer.gamma is not None else " plain"
            assert layer.track is (layer.gamma is not None)
            return [f"bn{plain_norm}", *(["relu"] if layer.relu else [])]
        case _:
            return [type(layer).__name__.lower()]


@pytest.mark.parametrize("searching", [True, False])
@pytest.mark.parametrize("stride", [1, 2])
def test_candidates_are_the_published_stacks(stride: int, searching: bool) -> None:
    """field: DARTS; the first ReLU is shared in search, and a mixed edge has the last norm."""
    s, bn = (" /2" if stride == 2 else ""), "bn plain" if searching else "bn"
    expected = {
        "sep_conv_3x3": [f"dw 3{s}", "conv 1", bn, "relu", "dw 3", "conv 1"],
        "sep_conv_5x5": [f"dw 5{s}", "conv 1", bn, "relu", "dw 5", "conv 1"],
        "dil_conv_3x3": [f"dw 3{s} ~2", "conv 1"],
        "dil_conv_5x5": [f"dw 5{s} ~2", "conv 1"],
        "max_pool_3x3": ["maxpool"],
        "avg_pool_3x3": ["averagepool"],
        "skip_connect": ["factorizedreduce"] if stride == 2 else None,
        "none": None,
        "conv_3x3": [f"conv 3{s}"],
        "pc_conv_3x3": ["predictiveconv"],
        "gated_pc_conv_3x3": ["predictiveconv"],
    }
    for name, operation in OPERATIONS.items():
        body = operation.build(4, stride, [always_bp()], not searching)
        assert (body and stack(body)) == expected[name]
        if not searching and name != "none":
            whole = stack(chosen_operation(Edge(2, 0, name, always_bp()), 4, stride, always_bp()))
            rectified = name in CONVOLUTIONS + BEYOND_DARTS or (name == "skip_connect" and stride == 2)
            first, last = (["relu"], ["bn"]) if rectified else ([], [])
            drop = [] if expected[name] is None else ["droppath"]
            assert whole == [*first, *(expected[name] or []), *last, *drop]


def test_fixed_parts_are_the_published_stacks() -> None:
    rules = [always_bp()], [always_bp()]
    assert stack(preprocess(3, 4, *rules, halve=False, affine=True)) == ["relu", "conv 1", "bn"]
    assert stack(preprocess(3, 4, *rules, halve=True, affine=False)) == [
        "relu",
        "factorizedreduce",
        "bn plain",
    ]
    assert stack(stem(3, 4, always_bp())) == ["conv 3", "bn"]
    head = ["relu", "averagepool", "conv 1", "bn", "relu", "conv 2", "bn", "relu", "flatten", "linear"]
    assert stack(AuxiliaryHead(4, 3, always_bp())) == head
    lenet = ["conv 5", "bn", "relu", "maxpool"] * 2 + ["flatten", "linear", "relu", "linear"]
    assert stack(LeNet(1, (8, 8), 3, lambda _: always_bp())) == lenet
    softhebb = SoftHebbNetwork(3, (32, 32), 10, lambda _: always_bp(), width=1 / 96)
    parts = [type(layer).__name__.lower() for layer in softhebb.layers.values()]
    assert parts[:10] == ["batchnorm", "reflectpad", "conv", "triangle", "maxpool"] * 2
    assert parts[10:] == [
        "batchnorm",
        "reflectpad",
        "conv",
        "triangle",
        "averagepool",
        "flatten",
        "dropout",
        "linear",
    ]
    krotov = KrotovHopfieldNetwork(4, 2, lambda _: always_bp(), [3])
    assert stack(krotov) == ["flatten", "linear", "relativepower", "dropout", "linear"]
    assert stack(MLP(4, 2, lambda _: always_bp(), (3,))) == ["flatten", "linear", "relu", "linear"]
    block = ["conv 3 /2", "bn", "relu", "conv 3", "bn", "relu"]  # the shortcut joins before the last one
    assert stack(BasicBlock(3, 6, 2, lambda _: always_bp(), "b").body) == block
    resnet = ["conv 3", "bn", "relu", "basicblock", "basicblock", "basicblock", "globalaverage", "linear"]
    assert stack(ResNet(3, 10, lambda _: always_bp(), 8)) == resnet


# Activations of competing units, dropout


def test_triangle_and_relative_power_are_their_equations() -> None:
    x = np.random.default_rng(0).standard_normal((2, 1, 5, 3, 4))
    y = Triangle(1.4).forward(x, Step(Key(0)))
    for n, c, i, j in np.ndindex(2, 5, 3, 4):
        expected = max(x[n, 0, c, i, j] - x[n, 0, :, i, j].mean(), 0) ** 1.4
        assert y[n, 0, c, i, j] == pytest.approx(expected, rel=1e-12)
    u = np.array([[1.0, 2.0, -3.0, 0.5], [-1.0, -2.0, -3.0, 0.0]])
    z = RelativePower(3).forward(u, Step(Key(0)))
    assert np.allclose(z, [[1 / 8, 1.0, 0.0, 1 / 64], [0, 0, 0, 0]], rtol=1e-14)


def test_reflection_mirrors_without_the_edge() -> None:
    y = ReflectPad(2).forward(np.arange(12.0).reshape(1, 1, 1, 3, 4), Step(Key(0)))[0, 0, 0]
    assert y.shape == (7, 8)
    assert y[2].tolist() == [2, 1, 0, 1, 2, 3, 2, 1]
    assert y[:, 2].tolist() == [8, 4, 0, 4, 8, 4, 0]


def test_dropout_drops_elements_by_its_key() -> None:
    x = np.ones((300, 101))

    def dropped(name: str = "a", update: int = 0) -> Array:
        layer = Dropout(0.25)
        layer.name = name
        return layer.forward(x, Step(Key(0), update))

    y = dropped()
    assert set(np.unique(y)) == {0.0, 1 / 0.75}
    assert y.mean() == pytest.approx(1.0, abs=0.01)
    assert np.array_equal(dropped(), y)
    for other in (dropped("b"), dropped(update=1)):
        assert 0.35 < (other != y).mean() < 0.4  # 2·0.25·0.75
    assert np.array_equal(Dropout(0.25).forward(x, Step(Key(0), training=False)), x)


# Drop-path


def dropped(name: str = "a", update: int = 0, seed: int = 0, count: int = 400, p: float = 0.3) -> Array:
    layer = DropPath()
    layer.name = name
    return layer.forward(np.ones((count, 1, 2, 2, 2)), Step(Key(seed), update, drop_path=p))


def test_drop_path_drops_samples_by_its_key() -> None:
    y = dropped()
    assert set(np.unique(y)) == {0.0, 1 / 0.7}
    assert (y == y[:, :1, :1, :1, :1]).all()  # a sample as a whole
    assert np.array_equal(dropped(), y)
    for other in (dropped("b"), dropped(update=1), dropped(seed=1)):
        assert 0.3 < (other != y)[:, 0, 0, 0, 0].mean() < 0.55  # 2·0.3·0.7
    assert dropped(count=40_000).mean() == pytest.approx(1.0, abs=0.015)


def test_drop_path_is_for_training() -> None:
    x = np.ones((3, 1, 1, 1, 1))
    for options in ({"training": False, "drop_path": 0.5}, {"drop_path": 0.0}):
        assert np.array_equal(DropPath().forward(x, Step(Key(0), **options)), x)  # type: ignore[arg-type]


def test_drop_path_stands_on_what_is_no_identity() -> None:
    layer = fixed_cell(always_bp, NORMAL, False, False)
    assert isinstance(layer, Pair)
    found = [any(isinstance(part, DropPath) for _, part in e.walk()) for e in layer.cell.edge]
    assert found == [o != "skip_connect" for _, _, o in NORMAL]


# The check itself: what it must not let through


class Tanh(Layer):
    """y = tanh(W x) ∘ g, g a gain; `wrong` names a mistake."""

    def __init__(self, wrong: str = "") -> None:
        self.linear, self.norm = Linear(4, 3, [make_rule("bp")]), BatchNorm(1)
        self._wrong = wrong

    def forward(self, x: Array, step: Step) -> Array:
        y = np.tanh(self.linear.forward(x, step))
        step.keep(self, y)
        return y.astype(np.float32) if self._wrong == "type" else y

    def backward(self, delta: Array, step: Step) -> Array:
        (y,) = step.take(self)
        slope = {"slope": 1.0, "sign": y**2 - 1}.get(self._wrong, 1 - y**2)
        below = self.linear.backward(delta * slope, step)
        if self._wrong == "weights":
            self.linear.W.grad *= 1.001
        if self._wrong == "nan":
            self.linear.W.grad[0, 0] = np.nan
        if self._wrong == "scale":
            below = below * 1.0001
        return below[:, :2] if self._wrong == "shape" else below


X = np.random.default_rng(3).standard_normal((6, 4))


def test_check_reports_every_tensor() -> None:
    report = check_gradients(Tanh(), X)
    assert set(report.errors) == {"x", "linear.W", "linear.b", "norm.gamma", "norm.beta"}
    assert max(report.errors.values()) < 1e-8
    assert "linear.W" in str(report)


@pytest.mark.parametrize("full", [0, 64])
@pytest.mark.parametrize(
    ("wrong", "tensors"),
    [
        ("slope", {"x", "linear.W", "linear.b"}),
        ("sign", {"x", "linear.W", "linear.b"}),
        ("weights", {"linear.W"}),
        ("nan", {"linear.W"}),
        ("scale", {"x"}),
    ],
)
def test_check_finds_what_is_wrong(wrong: str, tensors: set[str], full: int) -> None:
    with pytest.raises(GradientError, match="Tanh: backward disagrees") as caught:
        check_gradients(Tanh(wrong), X, full=full)
    assert set(caught.value.report.disagree) == tensors
    assert all(name in str(caught.value) for name in tensors)


class Gain(Layer):
    """y = g x, whose backward forgets g: right where g = 1."""

    def __init__(self) -> None:
        self.g = Parameter((1,), constant(1.0))

    def forward(self, x: Array, step: Step) -> Array:
        step.keep(self, x)
        return self.g.value * x

    def backward(self, delta: Array, step: Step) -> Array:
        self.g.grad += (delta * step.take(self)[0]).sum()
        return delta


def test_check_moves_off_special_weights() -> None:
    with pytest.raises(GradientError) as caught:
        check_gradients(Gain(), X)
    assert caught.value.report.disagree == ["x"]


@pytest.mark.parametrize(("wrong", "told"), [("type", "float32 for an input"), ("shape", "expected x's")])
def test_check_names_wrong_shapes_and_types(wrong: str, told: str) -> None:
    with pytest.raises(BionasError, match=told):
        check_gradients(Tanh(wrong), X)


def test_check_refuses_a_rule_that_is_no_gradient() -> None:
    layer = Conv(2, 3, 3, [make_rule("usf")])
    with pytest.raises(GradientError, match=": x "):
        check_gradients(layer, np.ones((2, 1, 2, 4, 4)))
    check_gradients(layer, np.ones((2, 1, 2, 4, 4)), step=Step(Key(0), exact=True))


def test_check_leaves_the_layer_as_it_is() -> None:
    layer = Tanh()
    model = ready_model(layer)
    before, names = model.arena.value.copy(), [p.name for p in model.arena.parameters]
    check_gradients(layer, X)
    assert np.array_equal(model.arena.value, before)
    assert not model.arena.grad.any()
    assert [p.name for p in model.arena.parameters] == names
    assert layer.norm.buffers["mean"].sum() == 0


@pytest.mark.parametrize(("stride", "gated"), [(1, False), (2, False), (1, True)])
def test_predictive_convolution_iterates_its_error(stride: int, gated: bool) -> None:
    """T times p ← p + e ∘ (x - p), step by step, for each lane."""
    layer = PredictiveConv(3, 3, [always_bp(), always_bp()], stride=stride, steps=4, gated=gated)
    Model(layer, Normalise([0.0], [1.0]), Key(2), np.float64)
    layer.e.value[...] = np.random.default_rng(0).uniform(0.05, 0.6, layer.e.shape)
    x, step = np.random.default_rng(1).normal(size=(2, 2, 3, 6, 5)), Step(Key(0))
    p = layer.conv.forward(x, step)
    for _ in range(4):
        p = p + layer.e.value[:, :, None, None] * (x[..., ::stride, ::stride] - p)
    if gated:
        assert layer.gate is not None
        p = p / (1 + np.exp(-layer.gate.forward(p, step)))
    np.testing.assert_allclose(layer.forward(x, step), p, atol=1e-12)
