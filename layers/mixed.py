"""A mixed edge: node += Σ_k q_k · BN(o_k(x)), every candidate at once.

The last batch norm of each candidate and the mixture are one affine map per lane and channel, so that forward
adds each lane to the node once, and backward finds ∂L/∂q_k and the norm's gradient from the same two sums:

    x̂ = (y - μ)/√(σ² + ε)     S1 = Σ δ x̂     ∂L/∂q_r = Σ_c S1[r, c]      (r: lanes, c: channels)

A skip and a pool have no weights: the edge weighs what the state's Source has read for all its edges (source.py).

The candidates are two teams of about the same work (teams.py). Each adds up an error of its own in backward, and
on the CPU the first team's is added to the input's at the end.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ..engine.backend import Array, array_module
from ..engine.kernels import batchnorm, channel, mix
from ..engine.kernels.half import Upstream
from ..engine.rule import Rule
from ..engine.step import Step
from .candidates import OPERATIONS, is_pool
from .conv import Conv
from .dropout import SkipDropout
from .halves import backward_through, forward_moments
from .layer import Layer
from .source import Readings
from .teams import Team, Teams

MOVES = 8.0  # multiply-adds that the moves of a convolution's maps take
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
            body = None if is_pool(name) else OPERATIONS[name].build(channels, stride, rules, False)
            if body is not None:
                self.bodies[name] = body
            self._slices.append(slice(start, start + len(rules)))
            start += len(rules)
        self.lanes = start
        costs = [self._cost(name, channels) for name, _ in operations]
        self._teams = Teams(costs, (rule for _, rules in operations for rule in rules))

    @property
    def names(self) -> list[str]:
        """Of the operations, one a group of lanes."""
        return [name for name, _ in self._operations]

    def add_to(self, node: Array, read: Readings, q: Array, step: Step) -> None:
        """node (N, 1, C, Ho, Wo) += the mixture of what the candidates make of a state."""
        made: dict[int, Moments] = {}

        def forward(team: Team) -> None:
            for k in team:
                made[k] = self._forward(self._operations[k].operation, read, step)

        self._teams.each(forward, read.x, step)
        kept = []
        shift = array_module(node).zeros(node.shape[2], node.dtype)
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

    def backward_to(self, delta: Array, errors: Readings, step: Step) -> Array:
        """Adds the state's errors, one of each reading; returns ∂L/∂q (lanes,)."""
        kept, q = step.take(self)
        xp = array_module(delta)
        dq: Array = xp.zeros(self.lanes, delta.dtype)
        readings = {"x": errors.x, "rectified": errors.rectified, **errors.pooled}
        both = set(map(self._reading, self._teams.first)) & set(map(self._reading, self._teams.second))
        beside = {name: xp.zeros_like(readings[name]) for name in both} if xp is np else {}

        def backward(team: Team) -> None:
            into = readings | beside if team is self._teams.first else readings
            for k in team:
                self._backward(k, delta, kept[k], q[self._slices[k]], dq[self._slices[k]], into, step)

        self._teams.each(backward, delta, step)
        for name, error in beside.items():
            _add(readings[name], error, xp.ones((1, 1), delta.dtype))
        return dq

    def tangent_to(self, node: Array, t: Readings, step: Step) -> None:
        """node += J t, at the activations that `step` kept and fixed q."""
        kept, q = step.take(self)
        for (name, _), lanes, (y, mean, rstd) in zip(self._operations, self._slices, kept, strict=True):
            if y is None:
                continue
            if rstd is None:
                moved = t.pooled[name] if is_pool(name) else self.skip.tangent(t.x, step)
                _add(node, moved, q[lanes, None])
            else:
                moved = self.bodies[name].tangent(t.rectified, step)
                moved = channel.combine(*_through_norm(moved, y, mean, rstd, q[lanes, None]))
                _add(node, moved, array_module(moved).ones(mean.shape, moved.dtype))

    def _forward(self, name: str, read: Readings, step: Step) -> Moments:
        if name == "none":
            return None, None, None
        if name in self.bodies:
            return forward_moments(self.bodies[name], read.rectified, step)
        return self._plain(name, read, step), None, None

    def _plain(self, name: str, read: Readings, step: Step) -> Array:
        """What a candidate without weights gives: a pool or a skip."""
        return read.pooled[name] if is_pool(name) else self.skip.forward(read.x, step)

    def _backward(
        self, k: int, delta: Array, kept: Moments, q: Array, dq: Array, into: Mapping[str, Array], step: Step
    ) -> None:
        """Of candidate k, whose lanes' weights are q; its error is added to what it reads."""
        y, mean, rstd = kept
        if y is None:
            return
        name, target = self._operations[k].operation, into[self._reading(k)]
        if mean is not None and rstd is not None:
            up = _through_norm(delta, y, mean, rstd, q[:, None], dq)
            backward_through(self.bodies[name], up, target, step.sharing(q))
        else:  # q's lanes are copies of one map
            no_mean = array_module(y).zeros(y.shape[1:3], y.dtype)
            dq[:] = channel.grad_sums(delta, y, no_mean)[1].sum()
            _add(target, delta if is_pool(name) else self.skip.backward(delta, step), q[:, None])

    def _reading(self, k: int) -> str:
        """What candidate k reads, among what `backward_to` adds errors to."""
        name = self._operations[k].operation
        if name in self.bodies:
            return "rectified"
        return "x" if name == "skip_connect" else name

    def _cost(self, operation: str, channels: int) -> float:
        """About a candidate's time, for a channel of a pixel: its multiply-adds, and the moves of its maps."""
        body = self.bodies.get(operation)
        if body is None:
            return 0.0 if operation == "none" else MOVES
        layers = [layer for _, layer in body.walk()]
        weights = sum(p.size for layer in layers for _, p in layer.parameters())
        lanes = sum(layer.lanes for layer in layers if isinstance(layer, Conv))
        return weights / channels + MOVES * lanes


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
