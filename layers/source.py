"""What the edges out of a state read: the state, rectified, and pooled, each made once for all of them.

    x      r = max(x, 0)      y_k = pool_k(x), its mean and its variance

A pool has no weights, so that every edge of one stride would make the same y_k again. An edge normalises and weighs
it, and what the edges send back through these norms, a sum of maps in parts, goes through the pool once
(engine/kernels/readings.py).
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..engine.backend import Array, array_module
from ..engine.kernels import channel, elementwise
from ..engine.kernels.half import Upstream
from ..engine.kernels.readings import Pooled, collect
from ..engine.step import Step
from .candidates import OPERATIONS, is_pool, reads_rectified
from .halves import forward_moments
from .layer import Layer
from .pointwise import Pool
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
        self.pools = {name: pool for name, pool in built.items() if isinstance(pool, Pool)}
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
        arrived = (
            [errors.beside, errors.rectified] if errors.beside is not errors.rectified else [errors.rectified]
        )
        pools = [
            Pooled(pooled[name], ups, self.pools[name].way_back(step)) for name, ups in errors.pooled.items()
        ]
        collect(errors.x, rectified, arrived, pools)
        return errors.x

    def read_tangent(self, t: Array, step: Step) -> Readings:
        rectified, _ = step.take(self)
        pooled = {name: pool.tangent(t, step) for name, pool in self.pools.items()}
        return Readings(t, t if rectified is None else channel.relu_grad(t, rectified), pooled)
