"""Parameters, and the flat arena in which a network keeps them.

One contiguous array holds every weight of a network and a second one every gradient; a parameter's `value` and
`grad` are views. An optimiser's step, the norm of the gradient, a copy of the weights and a checkpoint are then
a few operations on whole arrays.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import DTypeLike

from . import random
from .backend import Array, Backend, array_module, cpu
from .kernels import likeness
from .random import Key, Shape

Initialiser = Callable[[Key, Shape], Array]


def fans(shape: Shape) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight (O, D) or (O, C/groups, k, k); a depthwise k x k kernel has fan_in = k²."""
    taps = int(np.prod(shape[2:]))
    return shape[1] * taps, shape[0] * taps


def xavier_std(shape: Shape, groups: int = 1) -> float:
    """s = √(2 / (fan_in + fan_out)) (Glorot & Bengio 2010), with group-aware fans."""
    fan_in, fan_out = fans(shape)
    return float(np.sqrt(2.0 / (fan_in + fan_out / groups)))


def uniform_of_std(std: float) -> Initialiser:
    """Uniform on [-√3 std, √3 std]."""
    bound = float(np.sqrt(3.0)) * std
    return lambda key, shape: random.uniform(key, shape, -bound, bound, np.float64)


def gaussian_of_std(std: float) -> Initialiser:
    """N(0, std²)."""
    return lambda key, shape: random.normal(key, shape, std, np.float64)


def constant(value: float) -> Initialiser:
    return lambda key, shape: np.full(shape, value)


class Parameter:
    """A weight. `value` and `grad` (the same shape) exist once an Arena has taken it in.

    `grad` is what an optimiser descends: the sum of -Δw over the updates that rules gave. `lanes` is None, or R
    where `shape` opens with a lane axis and each lane is drawn on its own key.
    """

    value: Array
    grad: Array

    def __init__(self, shape: Shape, initialiser: Initialiser, lanes: int | None = None) -> None:
        self.shape, self.initialiser, self.lanes, self.name = shape, initialiser, lanes, ""
        self.size = int(np.prod(shape))

    def draw(self, key: Key) -> Array:
        """The initial value, a function of the run's seed and the parameter's name."""
        key = key.to(self.name)
        if self.lanes is None:
            return self.initialiser(key, self.shape)
        lanes = [self.initialiser(replace(key, index=r), self.shape[1:]) for r in range(self.lanes)]
        return np.stack(lanes)


class Arena:
    """All parameters of a network in two flat arrays: `value` and `grad`, each (size,); `slices` says who is where."""

    def __init__(
        self,
        parameters: Sequence[Parameter],
        key: Key,
        dtype: DTypeLike = np.float32,
        backend: Backend | None = None,
    ) -> None:
        self.parameters, self.backend = list(parameters), backend or cpu()
        self.slices: dict[Parameter, slice] = {}
        size = sum(p.size for p in self.parameters)
        self.value, self.grad = (self.backend.zeros((size,), dtype) for _ in range(2))
        start = 0
        for p in self.parameters:
            own = self.slices[p] = slice(start, start + p.size)
            p.value, p.grad = self.value[own].reshape(p.shape), self.grad[own].reshape(p.shape)
            p.value[...] = self.backend.asarray(p.draw(key), dtype)
            start += p.size

    def norm(self) -> Array:
        """The Euclidean norm of the whole gradient, a 0-d array on the device."""
        return norm(self.grad)


def norm(x: Array) -> Array:
    """‖x‖, accumulated in float64."""
    xp = array_module(x)
    if xp is np:
        return likeness.norm(x)
    total: Array = xp.sqrt(xp.sum(xp.square(x, dtype=np.float64)))  # no BLAS: a step is recorded as a graph
    return total
