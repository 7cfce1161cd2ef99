"""Activations of networks that learn locally: powers of a rectifier, relative to the winner or to the mean."""

from ..engine.backend import Array, array_module
from ..engine.step import Step
from .layer import Layer


class RelativePower(Layer):
    """y = zⁿ,  z = r / max_k r_k,  r = max(x, 0),  x (N, D): (r/T)ⁿ, T the current of the strongest unit of a sample.

    (Krotov & Hopfield 2019, with one T for all samples and n = 4.5.) Where no unit is active, y is 0.
    """

    def __init__(self, power: float) -> None:
        self.power = power

    def forward(self, x: Array, step: Step) -> Array:
        xp = array_module(x)
        r = xp.maximum(x, 0)
        most = r.max(axis=1, keepdims=True)
        most = most + (most == 0)
        z: Array = r / most
        step.keep(self, z, most)
        return z**self.power

    def backward(self, delta: Array, step: Step) -> Array:
        """∂L/∂r_k = (g_k - [k wins] Σ g z) / max r,  g = ∂L/∂z."""
        z, most = step.take(self)
        g = delta * slope(z, self.power)
        below: Array = (g - winner(z) * (g * z).sum(axis=1, keepdims=True)) / most
        return below

    def tangent(self, t: Array, step: Step) -> Array:
        z, most = step.take(self)
        moved: Array = (t - z * (winner(z) * t).sum(axis=1, keepdims=True)) / most * slope(z, self.power)
        return moved


class Triangle(Layer):
    """y = max(x - x̄, 0)ᵖ, x̄ the mean over the channels at each position of x (N, R, C, H, W).

    (Coates, Ng & Lee 2011; with a power, Journé et al. 2023.)
    """

    def __init__(self, power: float = 1.0) -> None:
        self.power = power

    def forward(self, x: Array, step: Step) -> Array:
        r: Array = array_module(x).maximum(_centred(x), 0)
        step.keep(self, r)
        return r if self.power == 1 else r**self.power

    def backward(self, delta: Array, step: Step) -> Array:
        (r,) = step.take(self)
        return _centred(delta * slope(r, self.power))

    def tangent(self, t: Array, step: Step) -> Array:
        (r,) = step.take(self)
        return _centred(t) * slope(r, self.power)


def slope(r: Array, power: float) -> Array:
    """d rᵖ/dr of a rectified r: 0 where r is 0, as the rectifier's is."""
    xp = array_module(r)
    positive = r > 0
    if power == 1:
        flat: Array = positive.astype(r.dtype)
        return flat
    found: Array = xp.where(positive, power * xp.where(positive, r, 1) ** (power - 1), 0).astype(r.dtype)
    return found


def winner(z: Array) -> Array:
    """(N, D): 1 at the first of the largest where that is above 0, 0 elsewhere."""
    place = array_module(z).arange(z.shape[1])
    mask: Array = ((place == z.argmax(axis=1)[:, None]) & (z > 0)).astype(z.dtype)
    return mask


def _centred(x: Array) -> Array:
    centred: Array = x - x.mean(axis=2, keepdims=True)
    return centred
