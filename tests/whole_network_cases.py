"""Small networks for procedures that run a whole one, and what a loop over samples is compared with."""

from typing import Any

import numpy as np
from bionas_cupy.engine.loss import cross_entropy
from bionas_cupy.engine.random import Key
from bionas_cupy.engine.registry import make_rule
from bionas_cupy.engine.step import Step
from bionas_cupy.layers.conv import Conv
from bionas_cupy.layers.layer import Layer, Sequential
from bionas_cupy.layers.linear import Linear
from bionas_cupy.layers.mlp import MLP
from bionas_cupy.layers.model import Model
from bionas_cupy.layers.norm import BatchNorm, Normalise
from bionas_cupy.layers.pointwise import Flatten, MaxPool, ReLU
from synapse_cases import Array, close

SIZES = [6, 7, 5, 3]


class Net:
    """An mlp with random weights and biases, and a batch."""

    def __init__(self, spec: str, samples: int = 4) -> None:
        rng = np.random.default_rng(3)
        self.x, self.labels = rng.normal(size=(samples, 1, 1, 2, 3)), rng.integers(0, 3, samples)
        network = MLP(6, 3, lambda _: make_rule(spec), SIZES[1:-1])
        self.model = Model(network, Normalise([0.0], [1.0]), Key(1), np.float64)
        self.layers = [s for s in self.model.synapses if isinstance(s, Linear)]
        for layer in self.layers:
            assert layer.b is not None
            layer.b.value[...] = 0.2 * rng.normal(size=layer.b.shape)
        self.W = [layer.W.value for layer in self.layers]
        self.b = [layer.b.value for layer in self.layers if layer.b is not None]

    def learn(self, update: int = 0) -> list[tuple[Array, Array]]:
        """(∂W, ∂b) that the optimiser is given, layer by layer."""
        self.model.arena.grad.fill(0)
        step = Step(Key(1, "step"), update)
        if self.model.procedure is None:
            _, error = cross_entropy(self.model.network.forward(self.x, step), self.labels)
            self.model.network.backward(error, step)
        else:
            self.model.procedure.learn(self.x, self.labels, step, 0.0)
        return [
            (np.array(layer.W.grad), np.array(layer.b.grad)) for layer in self.layers if layer.b is not None
        ]

    def samples(self) -> list[tuple[Array, int]]:
        return [(x.ravel(), int(label)) for x, label in zip(self.x, self.labels, strict=True)]

    def f(self, i: int, x: Array) -> Array:
        y = self.W[i] @ x + self.b[i]
        return y if i == len(self.W) - 1 else np.maximum(y, 0)


def output_error(logits: Array, label: int) -> Array:
    p = np.exp(logits) / np.exp(logits).sum()
    return p - np.eye(len(p))[label]


def assert_learned(found: list[tuple[Array, Array]], expected: list[tuple[Array, Array]]) -> None:
    for (W, b), (W_naive, b_naive) in zip(found, expected, strict=True):
        assert close(W, W_naive)
        assert close(b, b_naive)


def convolutional(spec: str) -> Model:
    def rule(_: str = "") -> list[Any]:
        return [make_rule(spec)]

    first = Conv(1, 3, 3, rule())
    first.sends_error = False
    layers: dict[str, Layer] = {"conv0": first, "norm0": BatchNorm(3, relu=True), "pool0": MaxPool(2, 2)}
    layers |= {"conv1": Conv(3, 4, 3, rule()), "norm1": BatchNorm(4, relu=True), "flatten": Flatten()}
    layers |= {"linear": Linear(16, 5, rule()), "relu": ReLU(), "classifier": Linear(5, 3, rule())}
    return Model(Sequential(**layers), Normalise([0.0], [1.0]), Key(1), np.float64)
