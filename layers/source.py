"""What the edges out of a state read: the state, rectified, and pooled, each made once for all of them.

    x      r = max(x, 0)      x̂_k = BN(pool_k(x))

A pool and a norm without γ and β have no weights, so that every edge of one stride would make the same x̂_k again.
An edge weighs it, and its error goes back through norm and pool once:

    node_i += q_ik x̂_k        ê_k = Σ_i q_ik δ_i        e = e_x + (r > 0) e_r + Σ_k pool_kᵀ(BN'(ê_k))
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ..engine.backend import Array, array_module
from ..engine.kernels import channel, elementwise
from ..engine.step import Step
from .candidates import OPERATIONS, is_pool, reads_rectified
from .layer import Layer, Sequential
from .norm import BatchNorm
from .teams import Team, Teams


class Readings(NamedTuple):
    """A state as its edges read it, or how it changes along a tangent."""

    x: Array
    rectified: Array
    pooled: Mapping[str, Array]


class Errors(NamedTuple):
    """What arrives at each reading. beside: at the rectified one from each edge's first team, which works at the same
    time as the other (teams.py); on a device, where they take turns, the same array."""

    x: Array
    rectified: Array
    beside: Array
    pooled: Mapping[str, Array]


class Source(Layer):
    """x (N, 1, C, H, W) to its Readings; `operations`: the candidates of its edges, all of one stride."""

    def __init__(self, operations: Sequence[str], channels: int, stride: int) -> None:
        self.pools: dict[str, Sequential] = {}
        for name in filter(is_pool, operations):
            pool = OPERATIONS[name].build(channels, stride, (), False)
            assert pool is not None
            self.pools[name] = Sequential(pool=pool, norm=BatchNorm(channels, affine=False, track=False))
        self._stride, self._teams = stride, Teams([1.0] * len(self.pools), ())
        self._rectifies = any(reads_rectified(name, stride) for name in operations)

    def forward(self, x: Array, step: Step) -> Readings:  # type: ignore[override]
        rectified = elementwise.rectify(x) if self._rectifies else x  # which nobody reads
        step.keep(self, rectified if self._rectifies else None)
        names, pooled = list(self.pools), dict[str, Array]()

        def forward(team: Team) -> None:
            for k in team:
                pooled[names[k]] = self.pools[names[k]].forward(x, step)

        self._teams.each(forward, x, step)
        return Readings(x, rectified, pooled)

    def no_errors(self, x: Array) -> Errors:
        """Zeros, to which the edges add; x: what has arrived of the state's own error, which they add to as well."""
        xp, size = array_module(x), [(n - 1) // self._stride + 1 for n in x.shape[3:]]
        pooled = {name: xp.zeros((*x.shape[:3], *size), x.dtype) for name in self.pools}
        rectified = xp.zeros_like(x) if self._rectifies else x
        return Errors(x, rectified, xp.zeros_like(x) if self._rectifies and xp is np else rectified, pooled)

    def backward(self, errors: Errors, step: Step) -> Array:  # type: ignore[override]
        """The error of the state, in the place of errors.x."""
        (rectified,) = step.take(self)
        total, arrived = errors.x, errors.rectified
        if errors.beside is not arrived:
            arrived = elementwise.plus(arrived, errors.beside)
        if rectified is not None:
            total += channel.relu_grad(arrived, rectified)
        for name, error in errors.pooled.items():
            total += self.pools[name].backward(error, step)
        return total

    def tangent(self, t: Array, step: Step) -> Readings:  # type: ignore[override]
        (rectified,) = step.take(self)
        pooled = {name: pool.tangent(t, step) for name, pool in self.pools.items()}
        return Readings(t, t if rectified is None else channel.relu_grad(t, rectified), pooled)
