"""What the edges out of a state read: the state, rectified, and pooled, each made once for all of them.

    x      r = max(x, 0)      y_k = pool_k(x), its mean and its variance

A pool has no weights, so that every edge of one stride would make the same y_k again. An edge normalises and weighs
it, and what the edges i send back through these norms, a sum of maps in parts, goes through the pool once:

    e_k = Σ_i A_ik δ_i + (Σ_i B_ik) y_k + Σ_i E_ik        e = e_x + (r > 0) e_r + Σ_k pool_kᵀ e_k
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..engine.backend import Array, array_module
from ..engine.kernels import channel, elementwise, mix
from ..engine.kernels.half import Upstream
from ..engine.step import Step
from .candidates import OPERATIONS, is_pool, reads_rectified
from .halves import forward_moments
from .layer import Layer
from .teams import Team, Teams


class Readings(NamedTuple):
    """A state as its edges read it. pooled: by operation, y and its mean and biased variance (1, C); or, of a tangent,
    how each changes, of the pools the change of y alone."""

    x: Array
    rectified: Array
    pooled: Mapping[str, Any]


class Errors(NamedTuple):
    """What arrives at each reading. beside: at the rectified one from each edge's first team, which works at the same
    time as the other (teams.py); on a device, where they take turns, the same array. pooled: of each pool, by edge."""

    x: Array
    rectified: Array
    beside: Array
    pooled: Mapping[str, list[Upstream]]


class Source(Layer):
    """x (N, 1, C, H, W) to its Readings; `operations`: the candidates of its edges, all of one stride."""

    def __init__(self, operations: Sequence[str], channels: int, stride: int) -> None:
        built = {
            name: OPERATIONS[name].build(channels, stride, (), False) for name in operations if is_pool(name)
        }
        self.pools = {name: pool for name, pool in built.items() if pool is not None}
        self._teams = Teams([1.0] * len(self.pools), ())
        self._rectifies = any(reads_rectified(name, stride) for name in operations)

    def read(self, x: Array, step: Step) -> Readings:
        rectified = elementwise.rectify(x) if self._rectifies else x  # which nobody reads
        names, pooled = list(self.pools), dict[str, tuple[Array, Array, Array]]()

        def forward(team: Team) -> None:
            for name in (names[k] for k in team):
                pooled[name] = forward_moments(self.pools[name], x, step)

        self._teams.each(forward, x, step)
        step.keep(self, rectified if self._rectifies else None, {name: pooled[name][0] for name in names})
        return Readings(x, rectified, pooled)

    def no_errors(self, x: Array) -> Errors:
        """Zeros, to which the edges add; x: what has arrived of the state's own error, which they add to as well."""
        zeros = array_module(x).zeros_like
        rectified = zeros(x) if self._rectifies else x
        beside = zeros(x) if self._rectifies and isinstance(x, np.ndarray) else rectified
        return Errors(x, rectified, beside, {name: [] for name in self.pools})

    def collect(self, errors: Errors, step: Step) -> Array:
        """The error of the state, in the place of errors.x."""
        rectified, pooled = step.take(self)
        total, arrived = errors.x, errors.rectified
        if errors.beside is not arrived:
            arrived = elementwise.plus(arrived, errors.beside)
        if rectified is not None:
            total += channel.relu_grad(arrived, rectified)
        for name, ups in errors.pooled.items():
            total += self.pools[name].backward(_combined(ups, pooled[name]), step)
        return total

    def read_tangent(self, t: Array, step: Step) -> Readings:
        rectified, _ = step.take(self)
        pooled = {name: pool.tangent(t, step) for name, pool in self.pools.items()}
        return Readings(t, t if rectified is None else channel.relu_grad(t, rectified), pooled)


def _combined(ups: Sequence[Upstream], y: Array) -> Array:
    """Σ_i A_i δ_i + (Σ_i B_i) y + Σ_i E_i."""
    first, *others = ups
    B, E = sum((up.B for up in others), first.B), sum((up.E for up in others), first.E)
    error = channel.combine(first.g, y, first.A, B, E)
    for up in others:
        mix.mix(up.g, up.A, error[:, 0])
    return error
