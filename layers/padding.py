"""Padding by reflection, for convolutions whose patches must not see a black frame."""

from ..engine.backend import Array, array_module
from ..engine.step import Step
from .layer import Layer


class ReflectPad(Layer):
    """x (..., H, W) to (..., H + 2p, W + 2p): what is beyond an edge is what lies as far within, without the edge."""

    def __init__(self, pad: int) -> None:
        self.pad = pad

    def forward(self, x: Array, step: Step) -> Array:
        width = [(0, 0)] * (x.ndim - 2) + [(self.pad, self.pad)] * 2
        y: Array = array_module(x).pad(x, width, mode="reflect")
        return y

    def backward(self, delta: Array, step: Step) -> Array:
        return _folded(_folded(delta, self.pad, -2), self.pad, -1)

    def tangent(self, t: Array, step: Step) -> Array:
        return self.forward(t, step)


def _folded(delta: Array, p: int, axis: int) -> Array:
    """The transpose of padding along an axis: each mirrored position adds to the one that it mirrors."""
    delta = array_module(delta).moveaxis(delta, axis, 0)
    size = len(delta) - 2 * p
    below = delta[p : p + size].copy()
    for i in range(p):
        below[p - i] += delta[i]
        below[size - 2 - i] += delta[p + size + i]
    folded: Array = array_module(delta).moveaxis(below, 0, axis)
    return folded
