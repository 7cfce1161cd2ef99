"""The activation of competing units (Inoue, Röhrbein & Knoblauch 2026)."""

from ..engine.backend import Array, array_module
from ..engine.rules.inoue import activity
from ..engine.step import Step
from .layer import Layer


class Competition(Layer):
    """z = max((a - μ)/σ, 0) / max_k of the same,  a = abs(y);  y and z (N, D), z in [0, 1].

    μ and σ are the mean and deviation of a over the units of the layer, one sample at a time. The last division takes
    σ, and any factor before the rectifier, out again: z = r / max_k r_k,  r = max(a - μ, 0). Where all units are
    equal, z is 0; of equal winners the first one counts as the winner.
    """

    def forward(self, x: Array, step: Step) -> Array:
        z = activity(x[:, None, :, None])[:, 0, :, 0]
        step.keep(self, x, z)
        return z

    def backward(self, delta: Array, step: Step) -> Array:
        """∂L/∂r_k = (δ_k - [k wins] Σ δ z) / max r;  ∂L/∂a is that where r > 0, less its mean over the units."""
        y, z = step.take(self)
        to_r = (delta - _winner(z) * (delta * z).sum(axis=1, keepdims=True)) / _largest(y)
        below: Array = array_module(y).sign(y) * _centred(to_r * (z > 0))
        return below

    def tangent(self, t: Array, step: Step) -> Array:
        y, z = step.take(self)
        t_r = _centred(array_module(y).sign(y) * t) * (z > 0)
        moved: Array = (t_r - z * (_winner(z) * t_r).sum(axis=1, keepdims=True)) / _largest(y)
        return moved


def _centred(a: Array) -> Array:
    centred: Array = a - a.mean(axis=1, keepdims=True)
    return centred


def _largest(y: Array) -> Array:
    """max r (N, 1); 1 where it is 0."""
    largest = _centred(abs(y)).max(axis=1, keepdims=True)
    found: Array = largest + (largest <= 0)
    return found


def _winner(z: Array) -> Array:
    """(N, D): 1 at the first of the largest, 0 elsewhere."""
    place = array_module(z).arange(z.shape[1])
    mask: Array = (place == z.argmax(axis=1)[:, None]).astype(z.dtype)
    return mask
