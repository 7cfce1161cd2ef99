"""The predictive-coding convolution of BioNAS (Hamzaoui & Baghdadi 2025, listing 2)."""

from collections.abc import Sequence

from ..engine.backend import Array, array_module
from ..engine.parameter import Parameter, constant
from ..engine.rule import Rule
from ..engine.step import Step
from .conv import Conv
from .layer import Layer

ERROR_WEIGHT = 0.1  # e at the start


class PredictiveConv(Layer):
    """p ← W x,  T times p ← p + e ∘ (x - p);  y = p, or with a gate y = p ∘ σ(G p).

    x (N, L, C, H, W), y (N, R, C, Ho, Wo). The prediction W x moves towards the input by its error, e (R, C) of each
    lane and channel learns by the gradient. T steps amount to p = a ∘ W x + (1 - a) ∘ x, a = (1 - e)^T, which is how
    they are computed. At stride s the prediction is of every s-th pixel. W k x k and G 1 x 1 learn by the rules.
    """

    def __init__(
        self,
        channels: int,
        kernel: int,
        rules: Sequence[Rule],
        *,
        stride: int = 1,
        steps: int = 3,
        gated: bool = False,
    ) -> None:
        self.conv = Conv(channels, channels, kernel, rules, stride=stride)
        self.gate = Conv(channels, channels, 1, rules) if gated else None
        lanes = len(rules)
        self.e = Parameter((lanes, channels), constant(ERROR_WEIGHT), None if lanes == 1 else lanes)
        self._stride, self._steps = stride, steps

    def forward(self, x: Array, step: Step) -> Array:
        predicted, a = self.conv.forward(x, step), self._kept_share()
        seen = self._seen(x)
        p: Array = a * predicted + (1 - a) * seen
        if self.gate is None:
            step.keep(self, predicted - seen, x.shape)
            return p
        g: Array = 1 / (1 + array_module(x).exp(-self.gate.forward(p, step)))
        step.keep(self, predicted - seen, x.shape, p, g)
        return p * g

    def backward(self, delta: Array, step: Step) -> Array:
        apart, shape, *gated = step.take(self)
        if self.gate is not None:
            p, g = gated
            delta = delta * g + self.gate.backward(delta * p * g * (1 - g), step)
        if step.learn:
            self.e.grad += self._slope() * (delta * apart).sum(axis=(0, 3, 4))
        a = self._kept_share()
        below = self.conv.backward(a * delta, step)
        passed = (1 - a) * delta
        if shape[1] < passed.shape[1]:  # the lanes share their input
            passed = passed.sum(axis=1, keepdims=True)
        below = below.copy()
        below[..., :: self._stride, :: self._stride] += passed
        return below

    def tangent(self, t: Array, step: Step) -> Array:
        apart, _, *gated = step.take(self)
        a, slope = self._kept_share(), self._slope() * step.direction[self.e]
        moved: Array = a * self.conv.tangent(t, step) + (1 - a) * self._seen(t) + _per_channel(slope) * apart
        if self.gate is None:
            return moved
        p, g = gated
        out: Array = moved * g + p * g * (1 - g) * self.gate.tangent(moved, step)
        return out

    def _seen(self, x: Array) -> Array:
        return x[..., :: self._stride, :: self._stride]

    def _kept_share(self) -> Array:
        """a (R, C, 1, 1): what is left of the first prediction."""
        return _per_channel((1 - self.e.value) ** self._steps)

    def _slope(self) -> Array:
        """∂a/∂e (R, C)."""
        slope: Array = -self._steps * (1 - self.e.value) ** (self._steps - 1)
        return slope


def _per_channel(a: Array) -> Array:
    """(R, C) against (N, R, C, H, W)."""
    return a.reshape(*a.shape, 1, 1)
