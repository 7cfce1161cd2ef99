"""Networks of every kind learn; their names, weights, restored arrays, and normalisation."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from bionas_cupy.engine.loss import cross_entropy
from bionas_cupy.engine.optim import SGD
from bionas_cupy.engine.random import Key
from bionas_cupy.engine.registry import make_rule
from bionas_cupy.engine.step import Step
from bionas_cupy.layers.candidates import OPERATIONS
from bionas_cupy.layers.layer import Layer
from bionas_cupy.layers.lenet import LeNet
from bionas_cupy.layers.mixed import OperationLanes
from bionas_cupy.layers.mlp import MLP
from bionas_cupy.layers.model import Model
from bionas_cupy.layers.named import RulesByName
from bionas_cupy.layers.network import GenotypeNetwork
from bionas_cupy.layers.norm import Normalise
from bionas_cupy.layers.resnet import ResNet
from bionas_cupy.layers.roles import ROLES, Roles
from bionas_cupy.layers.supernet import Supernet
from network_cases import PUBLISHED, cell, model, size


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
        step = Step(made.key.to("step"), update)
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
    step = Step(made.key.to("step"), 0)
    both = made.network.forward(made.images(images), step)
    assert both.shape == (2, 2, 3)
    made.network.backward(np.stack([0 * both[0], both[1]]), step)
    moved = {p.name.partition(".")[0] for p in made.arena.parameters if p.grad.any()}
    assert moved == {"stem", "cell0", "cell1", "cell2", "auxiliary"}  # the classifier's error was 0
    assert made.network.forward(made.images(images), Step(made.key.to("step"), 0, training=False)).shape == (
        2,
        3,
    )


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
        one.network.forward(one.images(images), Step(one.key.to("step"), update))  # moves running statistics
    kept = {name: value.copy() for name, value in one.arrays().items()}
    other.restore(kept)
    step = Step(one.key.to("step"), 0, training=False)
    expected = one.network.forward(one.images(images), step)
    assert np.array_equal(
        other.network.forward(other.images(images), Step(other.key.to("step"), 0, training=False)), expected
    )
    assert all(np.array_equal(other.arrays()[name], value) for name, value in kept.items())


def test_normalise_is_per_channel() -> None:
    x = np.random.default_rng(0).random((2, 3, 4, 4))
    y = Normalise([0.1, 0.2, 0.3], [1.0, 2.0, 4.0])(x)
    assert y.shape == (2, 1, 3, 4, 4)
    for c, (mean, std) in enumerate(((0.1, 1.0), (0.2, 2.0), (0.3, 4.0))):
        assert np.allclose(y[:, 0, c], (x[:, c] - mean) / std)
