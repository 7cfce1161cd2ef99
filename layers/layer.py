"""The base of every layer, and how a tree of layers gets its names."""

from collections.abc import Iterator
from typing import Any

from ..engine.backend import Array
from ..engine.parameter import Parameter
from ..engine.step import Step


class Layer:
    """A map with its backward beside it.

    forward(x, step)      y; leaves on the step what backward reads
    backward(delta, step) the error below, from delta = ∂L/∂y or what a rule made of it
    tangent(t, step)      J t: the change of y for a change t of x, at the activations that `step` kept
                          (with step.keep_tape); synapses use B in the place of W (see search/lookahead.py)

    Feature maps are (N, R, C, H, W), R the lanes of one operation (1 in a plain network); vectors are (N, D).
    """

    name = ""
    sends_error = True  # False for a layer on the data: no error is computed below it

    def forward(self, x: Array, step: Step) -> Array:
        raise NotImplementedError

    def backward(self, delta: Array, step: Step) -> Array:
        raise NotImplementedError

    def tangent(self, t: Array, step: Step) -> Array:
        raise NotImplementedError

    def children(self) -> Iterator[tuple[str, "Layer"]]:
        """Layers among the attributes, and in lists and dicts of them, by name."""
        for name, value in vars(self).items():
            if not name.startswith("_"):
                yield from _layers_in(name, value)

    def walk(self, prefix: str = "") -> Iterator[tuple[str, "Layer"]]:
        """This layer and all below it, parents first, each with its dotted name."""
        yield prefix, self
        for name, child in self.children():
            yield from child.walk(f"{prefix}.{name}".lstrip("."))

    def parameters(self) -> Iterator[tuple[str, Parameter]]:
        """The parameters of this layer alone, by name."""
        for name, value in vars(self).items():
            if isinstance(value, Parameter):
                yield name, value


def _layers_in(name: str, value: Any) -> Iterator[tuple[str, Layer]]:
    if isinstance(value, Layer):
        yield name, value
    elif isinstance(value, list | tuple):
        for i, item in enumerate(value):
            yield from _layers_in(f"{name}{i}", item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _layers_in(str(key), item)


class Sequential(Layer):
    """Layers one after the other. Named by the keys they are given with."""

    def __init__(self, **layers: Layer) -> None:
        self.layers = layers

    def forward(self, x: Array, step: Step) -> Array:
        for layer in self.layers.values():
            x = layer.forward(x, step)
        return x

    def backward(self, delta: Array, step: Step) -> Array:
        for layer in reversed(self.layers.values()):
            delta = layer.backward(delta, step)
            if not layer.sends_error or step.ends_at(layer):
                break
        return delta

    def tangent(self, t: Array, step: Step) -> Array:
        for layer in self.layers.values():
            t = layer.tangent(t, step)
        return t
