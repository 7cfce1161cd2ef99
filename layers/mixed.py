"""A mixed edge: node += Σ_k q_k · BN(o_k(x)), every candidate at once.

The last batch norm of each candidate and the mixture are one affine map per lane and channel, so that forward
adds each lane to the node once, and backward finds ∂L/∂q_k and the norm's gradient from the same two sums:

    x̂ = (y - μ)/√(σ² + ε)     S1 = Σ δ x̂     ∂L/∂q_r = Σ_c S1[r, c]      (r: lanes, c: channels)

The candidates are two teams of about the same work (teams.py). Each adds up an error of its own in backward, and
on the CPU the first team's is added to the input's at the end.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..engine.backend import Array, array_module
from ..engine.kernels import batchnorm, channel, mix
from ..engine.kernels.half import Upstream
from ..engine.rule import Rule
from ..engine.step import Step
from .candidates import OPERATIONS, is_normed, reads_rectified
from .conv import Conv
from .dropout import SkipDropout
from .halves import backward_through, forward_moments
from .layer import Layer
from .teams import Team, Teams

MOVES, POOLED = (
    8.0,
    4,
)  # multiply-adds that a convolution's moves take; a pool and its norm move as four convolutions
Moments = tuple[Array | None, Array | None, Array | None]  # y, its mean and its biased variance (R, O)


class OperationLanes(NamedTuple):
    """An operation and the rules of its lanes; an operation without weights has one lane."""

    operation: str
    rules: Sequence[Rule]


class MixedEdge(Layer):
    """All candidates of one edge, (N, 1, C, H, W) to (N, 1, C, H/stride, W/stride).

    q (lanes,) weighs each lane, in the order of `operations` and their rules.
    """

    def __init__(self, channels: int, stride: int, operations: Sequence[OperationLanes]) -> None:
        self.stride, self._operations = stride, list(operations)
        self.bodies: dict[str, Layer] = {}
        self.skip = SkipDropout()
        self._slices: list[slice] = []
        start = 0
        for name, rules in operations:
            body = OPERATIONS[name].build(channels, stride, rules, False)
            if body is not None:
                self.bodies[name] = body
            self._slices.append(slice(start, start + len(rules)))
            start += len(rules)
        self.lanes = start
        costs = [self._cost(name, channels) for name, _ in operations]
        self._teams = Teams(costs, (rule for _, rules in operations for rule in rules))

    def add_to(self, node: Array, x: Array, rectified: Array, q: Array, step: Step) -> None:
        """node (N, 1, C, Ho, Wo) += the mixture. rectified = max(x, 0), which all edges out of x share."""
        made: dict[int, Moments] = {}

        def forward(team: Team) -> None:
            for k in team:
                made[k] = self._forward(self._operations[k].operation, x, rectified, step)

        self._teams.each(forward, x, step)
        kept = []
        shift = array_module(x).zeros(node.shape[2], node.dtype)
        for k, lanes in enumerate(self._slices):
            y, mean, variance = made[k]
            scale, rstd = q[lanes, None], None
            if mean is not None and variance is not None:
                scale, rstd = batchnorm.weigh(mean, variance, q[lanes], shift)
            kept.append((y, mean, rstd))
            if y is not None:
                _add(node, y, scale)
        node += shift[:, None, None]
        step.keep(self, kept, q)

    def backward_to(self, delta: Array, below: Array, below_rectified: Array, step: Step) -> Array:
        """Adds the error to the input's two branches; returns ∂L/∂q (lanes,)."""
        kept, q = step.take(self)
        xp = array_module(delta)
        dq: Array = xp.zeros(self.lanes, delta.dtype)
        targets, beside = (below, below_rectified), {}
        if xp is np:
            beside = {b: np.zeros_like(targets[b]) for b in set(map(self._branch, self._teams.first))}

        def backward(team: Team) -> None:
            into = beside if beside and team is self._teams.first else targets
            for k in team:
                self._backward(k, delta, kept[k], q[self._slices[k]], dq[self._slices[k]], into, step)

        self._teams.each(backward, delta, step)
        for branch, error in beside.items():
            targets[branch][...] += error
        return dq

    def tangent_to(self, node: Array, t: Array, t_rectified: Array, step: Step) -> None:
        """node += J t, at the activations that `step` kept and fixed q."""
        kept, q = step.take(self)
        for (name, _), lanes, (y, mean, rstd) in zip(self._operations, self._slices, kept, strict=True):
            if y is None:
                continue
            body = self.bodies.get(name)
            source = t_rectified if reads_rectified(name, self.stride) else t
            moved = (body or self.skip).tangent(source, step)
            if rstd is not None:
                moved = channel.combine(*_through_norm(moved, y, mean, rstd, q[lanes, None]))
                _add(node, moved, array_module(moved).ones(mean.shape, moved.dtype))
            else:
                _add(node, moved, q[lanes, None])

    def _forward(self, name: str, x: Array, rectified: Array, step: Step) -> Moments:
        if name == "none":
            return None, None, None
        if not is_normed(name, self.stride, affine=False):
            return self.skip.forward(x, step), None, None
        source = rectified if reads_rectified(name, self.stride) else x
        return forward_moments(self.bodies[name], source, step)

    def _backward(
        self, k: int, delta: Array, kept: Moments, q: Array, dq: Array, into: Any, step: Step
    ) -> None:
        """Of candidate k, whose lanes' weights are q; into: by branch, of the input and of the rectified input."""
        y, mean, rstd = kept
        if y is None:
            return
        name = self._operations[k].operation
        target = into[self._branch(k)]
        if mean is None or rstd is None:
            dq[:], error = self._plain(delta, y, q, step)
            target += error
        else:
            up = _through_norm(delta, y, mean, rstd, q[:, None], dq)
            backward_through(self.bodies[name], up, target, step.sharing(q))

    def _branch(self, k: int) -> int:
        """Which input candidate k reads: 0 the plain one, 1 the rectified one."""
        return int(reads_rectified(self._operations[k].operation, self.stride))

    def _cost(self, operation: str, channels: int) -> float:
        """About a candidate's time, for a channel of a pixel: its multiply-adds, and the moves of its maps."""
        body = self.bodies.get(operation)
        if body is None:
            return 0.0 if operation == "none" else MOVES
        layers = [layer for _, layer in body.walk()]
        weights = sum(p.size for layer in layers for _, p in layer.parameters())
        lanes = sum(layer.lanes for layer in layers if isinstance(layer, Conv))
        return weights / channels + MOVES * (lanes or POOLED)

    def _plain(self, delta: Array, y: Array, q: Array, step: Step) -> tuple[Array, Array]:
        """A skip: q's lanes are copies of one identity."""
        error = delta * q.sum().astype(delta.dtype)
        return array_module(y).vdot(delta, y), self.skip.backward(error, step)


def _through_norm(
    g: Array, y: Array, mean: Array, rstd: Array, q: Array, dq: Array | None = None
) -> Upstream:
    """The error g behind the last norm and the mixture, in parts; ∂L/∂q goes into dq."""
    S0, S1 = channel.grad_sums(g, y, mean)
    count = y.size // (y.shape[1] * y.shape[2])
    return Upstream(g, y, *batchnorm.backward(mean, rstd, S0, S1, q, count, None, dq))


def _add(node: Array, y: Array, scale: Array) -> None:
    """node += Σ_r scale[r] · y[:, r]; a lone lane of y serves several scales by their sum."""
    if y.shape[1] < len(scale):
        scale = scale.sum(axis=0, keepdims=True)
    mix.mix(y, scale, node[:, 0])
