"""Networks: known sizes, names, seeded weights, rules by name, and that they learn."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from bionas_cupy.engine.errors import UsageError
from bionas_cupy.engine.loss import cross_entropy
from bionas_cupy.engine.optim import SGD
from bionas_cupy.engine.random import Key
from bionas_cupy.engine.registry import make_rule
from bionas_cupy.engine.rule import Rule
from bionas_cupy.layers.candidates import OPERATIONS
from bionas_cupy.layers.chosen import Edge
from bionas_cupy.layers.layer import Layer
from bionas_cupy.layers.lenet import LeNet
from bionas_cupy.layers.mixed import OperationLanes
from bionas_cupy.layers.mlp import MLP
from bionas_cupy.layers.model import Model, new_step, transported_bits, weights_per_rule
from bionas_cupy.layers.named import RulesByName
from bionas_cupy.layers.network import CellGenotype, GenotypeNetwork
from bionas_cupy.layers.norm import Normalise
from bionas_cupy.layers.resnet import ResNet
from bionas_cupy.layers.roles import ROLES, Roles
from bionas_cupy.layers.skeleton import plan
from bionas_cupy.layers.supernet import Supernet
from bionas_cupy.layers.synapse import Synapse
from bionas_cupy.search.config import TrainConfig, build
from bionas_cupy.search.networks import ImageShape, build_network

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


def published(
    name: str, channels: int, cells: int, classes: int = 10, auxiliary: bool = False
) -> GenotypeNetwork:
    normal, reduce = (cell(chosen) for chosen in PUBLISHED[name])
    return GenotypeNetwork(3, classes, normal, reduce, channels=channels, cells=cells, auxiliary=auxiliary)


def size(network: Layer) -> int:
    return sum(p.size for _, layer in network.walk() for _, p in layer.parameters())


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


# Small networks of every kind


def every_candidate(rule: str) -> Callable[..., list[OperationLanes]]:
    lanes = [OperationLanes(o, [make_rule(rule)] * (2 if OPERATIONS[o].weighted else 1)) for o in OPERATIONS]
    return lambda *_: lanes


class Mixed(Supernet):
    """A supernet that weighs all lanes alike."""

    def forward(self, x, step):  # type: ignore[no-untyped-def]
        q = np.full((len(self.cell[0].edge), self.cell[0].edge[0].lanes), 1 / self.cell[0].edge[0].lanes)
        return self.forward_mixed(x, (q, q), step)

    def backward(self, delta, step):  # type: ignore[no-untyped-def]
        return self.backward_mixed(delta, step)


def genotype_network(rule: str, auxiliary: bool = False) -> Layer:
    kinds = (cell(chosen, rule) for chosen in PUBLISHED["PC_DARTS"])
    roles = Roles(*[make_rule(rule)] * len(ROLES))
    return GenotypeNetwork(1, 3, *kinds, channels=4, cells=3, auxiliary=auxiliary, roles=roles)


NETWORKS: dict[str, Callable[[str], Layer]] = {
    "mlp": lambda rule: MLP(64, 3, RulesByName({"*": rule})),
    "lenet": lambda rule: LeNet(1, (8, 8), 3, RulesByName({"*": rule})),
    "resnet": lambda rule: ResNet(1, 3, RulesByName({"*": rule}), 8),
    "genotype": genotype_network,
    "supernet": lambda rule: Mixed(
        1,
        3,
        every_candidate(rule),
        channels=4,
        cells=3,
        nodes=2,
        roles=Roles(*[make_rule(rule)] * len(ROLES)),
    ),
}
ON_EVERY_NETWORK = pytest.mark.parametrize("kind", NETWORKS)


def model(network: Layer, seed: int = 0) -> Model:
    return Model(network, Normalise([0.5], [0.3]), Key(seed))


def problem(count: int = 48) -> tuple[np.ndarray, np.ndarray]:
    """Three patterns under noise, images (N, 1, 8, 8) in [0, 1]."""
    rng = np.random.default_rng(0)
    labels = np.arange(count) % 3
    patterns = np.kron(rng.random((3, 1, 4, 4)), np.ones((1, 1, 2, 2)))
    images = patterns[labels] + 0.15 * rng.standard_normal((count, 1, 8, 8))
    return images.clip(0, 1).astype(np.float32), labels


@ON_EVERY_NETWORK
@pytest.mark.parametrize("rule", ["bp", "usf"])
def test_a_network_learns(kind: str, rule: str) -> None:
    made = model(NETWORKS[kind](rule))
    optimiser = SGD(made.arena.value, momentum=0.9)
    images, labels = problem()
    losses = []
    for update in range(12):
        step = new_step(made, update)
        logits = made.network.forward(made.images(images), step)
        assert logits.dtype == np.float32
        loss, step.top = cross_entropy(logits, labels)
        made.arena.grad[...] = 0.0
        made.network.backward(step.top, step)
        assert made.arena.norm() > 0
        optimiser.step(made.arena.grad, 0.02)
        losses.append(float(loss))
    assert min(losses[-2:]) < 0.5 * losses[0]


def test_the_auxiliary_head_learns_too() -> None:
    made = model(genotype_network("usf", auxiliary=True))
    images = np.random.default_rng(0).random((2, 1, 32, 32), np.float32)
    step = new_step(made, 0)
    both = made.network.forward(made.images(images), step)
    assert both.shape == (2, 2, 3)
    made.network.backward(np.stack([0 * both[0], both[1]]), step)
    moved = {p.name.partition(".")[0] for p in made.arena.parameters if p.grad.any()}
    assert moved == {"stem", "cell0", "cell1", "cell2", "auxiliary"}  # the classifier's error was 0
    assert made.network.forward(made.images(images), new_step(made, 0, training=False)).shape == (2, 3)


@ON_EVERY_NETWORK
def test_names_are_unique(kind: str) -> None:
    made = model(NETWORKS[kind]("usf"))
    layers = [name for name, _ in made.network.walk()]
    parameters = [p.name for p in made.arena.parameters]
    assert len(set(layers)) == len(layers)
    assert len(set(parameters)) == len(parameters)
    assert sum(p.size for p in made.arena.parameters) == made.arena.value.size == size(made.network)
    assert all(layer.name == name for name, layer in made.network.walk())


@ON_EVERY_NETWORK
def test_every_weight_has_a_draw_of_its_own(kind: str) -> None:
    made = model(NETWORKS[kind]("usf"))
    drawn = [(np.array(lane), s.s) for s in made.synapses for lane in s.laned(s.W.value)]
    assert len({W.tobytes() for W, _ in drawn}) == len(drawn)
    for W, std in drawn:
        assert abs(W).max() <= math.sqrt(3) * std * (1 + 1e-6)
        if W.size > 500:
            assert W.std() == pytest.approx(std, rel=0.1)
            assert abs(W.mean()) < 0.2 * std


@ON_EVERY_NETWORK
def test_weights_are_a_function_of_seed_and_name(kind: str) -> None:
    one, same, other = (model(NETWORKS[kind]("usf"), seed) for seed in (1, 1, 2))
    fa = model(NETWORKS[kind]("fa"), 1)
    assert np.array_equal(one.arena.value, same.arena.value)
    assert np.array_equal(one.arena.value, fa.arena.value)  # whatever the rule
    for a, b in zip(one.synapses, other.synapses, strict=True):
        assert not (a.W.value == b.W.value).any()


def test_a_layer_more_leaves_the_others_weights() -> None:
    def weights(depth: int) -> dict[str, np.ndarray]:
        made = model(ResNet(1, 3, RulesByName({"*": "bp"}), depth))
        return {p.name: p.value for p in made.arena.parameters}

    short, deep = weights(8), weights(14)
    assert len(deep) > len(short)
    assert all(np.array_equal(deep[name], value) for name, value in short.items())


def test_double_precision_has_the_same_weights() -> None:
    double = Model(NETWORKS["lenet"]("bp"), Normalise([0.5], [0.3]), Key(0), np.float64)
    single = model(NETWORKS["lenet"]("bp"))
    assert np.array_equal(double.arena.value.astype(np.float32), single.arena.value)


@ON_EVERY_NETWORK
def test_arrays_restore_a_network(kind: str) -> None:
    images = problem(12)[0]
    one, other = model(NETWORKS[kind]("usf"), 1), model(NETWORKS[kind]("usf"), 2)
    for update in range(2):
        one.network.forward(one.images(images), new_step(one, update))  # moves running statistics
    kept = {name: value.copy() for name, value in one.arrays().items()}
    other.restore(kept)
    step = new_step(one, 0, training=False)
    expected = one.network.forward(one.images(images), step)
    assert np.array_equal(
        other.network.forward(other.images(images), new_step(other, 0, training=False)), expected
    )
    assert all(np.array_equal(other.arrays()[name], value) for name, value in kept.items())


def test_normalise_is_per_channel() -> None:
    x = np.random.default_rng(0).random((2, 3, 4, 4))
    y = Normalise([0.1, 0.2, 0.3], [1.0, 2.0, 4.0])(x)
    assert y.shape == (2, 1, 3, 4, 4)
    for c, (mean, std) in enumerate(((0.1, 1.0), (0.2, 2.0), (0.3, 4.0))):
        assert np.allclose(y[:, 0, c], (x[:, c] - mean) / std)


# Rules by name


def rules_of(network: Layer) -> dict[str, str]:
    return {name: str(s.rules[0]) for name, s in network.walk() if isinstance(s, Synapse)}


def test_the_last_matching_pattern_gives_the_rule() -> None:
    rules = RulesByName({"*": "usf", "stage2_*": "fa", "*conv1": "qsf2", "stem": "bp"})
    found = rules_of(ResNet(3, 10, rules, 8))
    rules.check()
    assert found == {
        "stem": "bp",
        "stage0_block0.body.conv0": "usf",
        "stage0_block0.body.conv1": "qsf2",
        "stage1_block0.body.conv0": "usf",
        "stage1_block0.body.conv1": "qsf2",
        "stage2_block0.body.conv0": "fa",
        "stage2_block0.body.conv1": "qsf2",
        "classifier": "usf",
    }


@pytest.mark.parametrize("kind", ["mlp", "lenet", "resnet"])
def test_a_layer_is_known_by_the_name_that_it_has(kind: str) -> None:
    asked: list[str] = []

    class Listening(RulesByName):
        def __call__(self, name: str):  # type: ignore[no-untyped-def]
            asked.append(name)
            return super().__call__(name)

    builders: dict[str, Callable[[RulesByName], Layer]] = {
        "mlp": lambda rules: MLP(64, 3, rules),
        "lenet": lambda rules: LeNet(1, (8, 8), 3, rules),
        "resnet": lambda rules: ResNet(1, 3, rules, 8),
    }
    network = builders[kind](Listening({"*": "usf"}))
    assert asked == list(rules_of(network))


def test_a_layer_without_a_rule_is_an_error() -> None:
    with pytest.raises(UsageError, match='no rule is given for layer "classifier"'):
        MLP(4, 2, RulesByName({"hidden*": "usf"}))


def test_a_pattern_without_a_layer_is_an_error() -> None:
    rules = RulesByName({"*": "usf", "hidden7": "fa"})
    MLP(4, 2, rules)
    with pytest.raises(UsageError, match=r'like "hidden7".*hidden0, hidden1, classifier'):
        rules.check()


def test_an_unknown_rule_by_name_is_an_error() -> None:
    with pytest.raises(UsageError, match="Did you mean"):
        RulesByName({"*": "usff"})


def test_shares_and_bits() -> None:
    rules = RulesByName({"*": "usf", "hidden1": "bp", "classifier": "fa"})
    made = model(MLP(8, 5, rules, (10, 20)))
    total = 80 + 200 + 100
    assert weights_per_rule(made.synapses) == {"bp": 200 / total, "fa": 100 / total, "usf": 80 / total}
    assert transported_bits(made.synapses) == pytest.approx(32 * 200 / total)  # the first layer sends nothing


@pytest.mark.parametrize("model", ["mlp", "lenet", "resnet20"])
def test_a_read_out_that_hears_of_no_label_is_refused(model: str) -> None:
    shape, given = ImageShape(1, 8, 8, 10), {"model": model, "rule": "oja(sends=exact)"}
    with pytest.raises(UsageError, match=r"hears of no label.*rules_per_layer\.classifier=bp"):
        build_network(build(TrainConfig, [given]), None, shape)
    for rule in ("bp", "wp", "three_factor", "dfa"):
        build_network(build(TrainConfig, [given | {"rules_per_layer": {"classifier": rule}}]), None, shape)
