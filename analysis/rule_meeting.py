"""A rule asked directly, on every kind of weighted layer, by the same signals that a training would give it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from ..engine import random
from ..engine.backend import Array
from ..engine.random import Key
from ..engine.rule import Maps, Rule, Signals
from ..engine.rule_declared import METHODS
from ..engine.step import Step
from ..layers.conv import Conv
from ..layers.linear import Linear
from ..layers.model import Model
from ..layers.norm import Normalise
from ..layers.synapse import Synapse

N, K, PROBES = 4, 5, 8  # samples, classes, pairs of perturbed passes
KEY = Key(0, "rules check")


class Kind(NamedTuple):
    """A weighted layer; kernel 0: linear, on `channels` inputs."""

    channels: int
    outputs: int
    kernel: int
    stride: int = 1
    dilation: int = 1
    groups: int = 1

    def build(self, rules: list[Rule]) -> Synapse:
        if self.kernel == 0:
            return Linear(self.channels, self.outputs, rules)
        form = {"stride": self.stride, "dilation": self.dilation, "groups": self.groups}
        return Conv(self.channels, self.outputs, self.kernel, rules, **form)

    @property
    def image(self) -> tuple[int, ...]:
        """Of one sample, without the lane axis."""
        return (self.channels,) if self.kernel == 0 else (self.channels, 7, 6)


KINDS = {
    "linear": Kind(12, 6, 0),
    "dense 3x3": Kind(3, 4, 3),
    "pointwise": Kind(4, 6, 1),
    "grouped": Kind(4, 6, 3, groups=2),
    "depthwise": Kind(4, 4, 3, groups=4),
    "strided": Kind(3, 4, 3, stride=2),
    "dilated depthwise": Kind(4, 4, 5, dilation=2, groups=4),
}


class Meeting:
    """One rule on one layer, alone on it. x is rectified, as most inputs in a network are."""

    def __init__(self, rule: Rule, kind: Kind, dtype: DTypeLike = np.float64, update: int = 0) -> None:
        self.rule, self.layer = rule, made_ready(kind.build([rule]), dtype)
        x = np.maximum(drawn("x", (N, 1, *kind.image), dtype), 0)
        self.maps: Maps = self.layer.maps(x)
        y = self.maps.push(x, self.layer.laned(self.layer.W.value))
        step = Step(KEY, update, **everywhere(dtype))
        self._given = self.layer.signals(x, drawn("delta", y.shape, dtype), step)

    @property
    def signals(self) -> Signals:
        """Afresh: what depends on W is computed from its present value."""
        return self._given.lane(0, self.rule)

    @property
    def W(self) -> Array:
        """Of the one lane; writing into it is changing the layer."""
        return self.layer.W.value

    def ask(self, method: str) -> Array | None:
        """What the rule answers; None for an error that it does not send. No guard stands between."""
        s = self.signals
        if method == "feedback_weights":
            return self.rule.feedback_weights(s.W, s.state)
        if method == "below":
            return self.rule.below(self.maps, s) if sends(self.rule) else None
        return self.rule.update(self.maps, s)

    def answers(self) -> dict[str, Array]:
        """Of every method that has an answer."""
        asked = {method: self.ask(method) for method in METHODS}
        return {method: found for method, found in asked.items() if found is not None}

    def expected(self, method: str) -> Array:
        """An array of the shape that the answer has to have."""
        return self._given.x[:, 0] if method == "below" else self.W


def everywhere(dtype: DTypeLike) -> dict[str, Any]:
    """What every layer is told alike: the output error, the neuromodulator, the answers to perturbation."""
    top, modulator = drawn("top", (N, K), dtype), drawn("modulator", (), dtype)
    return {"top": top, "modulator": modulator, "dloss": drawn("dloss", (PROBES, N), np.float64)}


def sends(rule: Rule) -> bool:
    return getattr(rule, "sends", "feedback") != "none"


def made_ready(layer: Synapse, dtype: DTypeLike) -> Synapse:
    """With a name, weights and random states. float64 weights are those of float32, so that the two compare."""
    layer.sends_error = True
    model = Model(layer, Normalise([0.0], [1.0]), KEY, dtype)
    layer.name = ""
    model.arena.value[...] = model.arena.value.astype(np.float32)
    return layer


def drawn(name: str, shape: tuple[int, ...], dtype: DTypeLike) -> Any:
    return random.normal(KEY.to(name), shape, dtype=np.float32).astype(dtype)


@contextmanager
def listening(rule: Rule) -> Iterator[set[str]]:
    """The names of the signals that the rule asks for within the block."""
    asked: set[str] = set()

    class Declared(tuple[str, ...]):
        def __contains__(self, name: object) -> bool:
            asked.add(str(name))
            return super().__contains__(name)

    declared = rule.reads
    rule.reads = Declared(declared)
    try:
        yield asked
    finally:
        rule.reads = declared
