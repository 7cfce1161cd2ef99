"""A mixed edge: node += Σ_k q_k · BN(o_k(x)), every candidate at once.

The last batch norm of each candidate and the mixture are one affine map per lane and channel, so that forward
adds each lane to the node once, and backward finds ∂L/∂q_k and the norm's gradient from the same two sums:

    x̂ = (y - μ)/√(σ² + ε)     S1 = Σ δ x̂     ∂L/∂q_r = Σ_c S1[r, c]      (r: lanes, c: channels)

A pool has no weights: the edge weighs what the state's Source has pooled for all its edges (source.py).
Node and error are read once for all candidates (engine/kernels/mixture.py).

The bodies of the others are two teams of about the same work (teams.py). On the CPU each has an error of its own to
add to in backward.
"""

from collections.abc import Sequence
from typing import NamedTuple

from ..engine.backend import Array, array_module
from ..engine.kernels import batchnorm, channel, mix, mixture
from ..engine.kernels.half import Upstream
from ..engine.rule import Rule
from ..engine.step import Step
from .candidates import OPERATIONS, is_pool
from .conv import Conv
from .dropout import SkipDropout
from .halves import backward_through, forward_moments
from .layer import Layer
from .source import Errors, Readings
from .teams import Team, Teams

MOVES = 8.0  # multiply-adds that the moves of a convolution's maps take
Sums = tuple[Array, Array]


class OperationLanes(NamedTuple):
    """An operation and the rules of its lanes; an operation without weights has one lane."""

    operation: str
    rules: Sequence[Rule]


class Made(NamedTuple):
    """What a candidate gave, and how it is normalised (None: it is not, it has no weights)."""

    y: Array
    mean: Array | None = None
    rstd: Array | None = None


class MixedEdge(Layer):
    """All candidates of one edge, (N, 1, C, H, W) to (N, 1, C, H/stride, W/stride).

    q (lanes,) weighs each lane, in the order of `operations` and their rules.
    """

    def __init__(self, channels: int, stride: int, operations: Sequence[OperationLanes]) -> None:
        self.stride = stride
        self.bodies: dict[str, Layer] = {}
        self.skip = SkipDropout()
        self._slices: dict[str, slice] = {}
        start = 0
        for name, rules in operations:
            body = None if is_pool(name) else OPERATIONS[name].build(channels, stride, rules, False)
            if body is not None:
                self.bodies[name] = body
            self._slices[name] = slice(start, start + len(rules))
            start += len(rules)
        self.lanes = start
        costs = [_cost(body, channels) for body in self.bodies.values()]
        self._teams = Teams(costs, (rule for _, rules in operations for rule in rules))

    @property
    def operations(self) -> list[str]:
        """By name, in the order of their lanes."""
        return list(self._slices)

    def add_to(self, node: Array, read: Readings, q: Array, step: Step) -> None:
        """node (N, 1, C, Ho, Wo) += the mixture of what the candidates make of a state."""
        names, moments = list(self.bodies), dict(read.pooled)

        def forward(team: Team) -> None:
            for name in (names[k] for k in team):
                moments[name] = forward_moments(self.bodies[name], read.rectified, step)

        self._teams.each(forward, read.x, step)
        made, scales = dict[str, Made](), []
        shift = array_module(node).zeros(node.shape[2], node.dtype)
        for name, lanes in self._slices.items():
            if name in moments:
                y, mean, variance = moments[name]
                scale, rstd = batchnorm.weigh(mean, variance, q[lanes], shift)
                made[name] = Made(y, mean, rstd)
                scales.append(scale)
            elif name != "none":
                made[name] = Made(self.skip.forward(read.x, step))
                scales.append(_together(q[lanes]))
        mixture.add(node[:, 0], [each.y for each in made.values()], scales, shift)
        step.keep(self, made, q)

    def backward_to(self, delta: Array, errors: Errors, step: Step) -> Array:
        """Adds to the errors of the state's readings; returns ∂L/∂q (lanes,)."""
        made, q = step.take(self)
        xp = array_module(delta)
        dq: Array = xp.zeros(self.lanes, delta.dtype)
        centre = xp.zeros((1, delta.shape[2]), delta.dtype)  # of what is not normalised
        means = [centre if each.mean is None else each.mean for each in made.values()]
        sums = dict(zip(made, mixture.sums(delta, [each.y for each in made.values()], means), strict=True))
        ups: dict[str, Upstream] = {}
        for name, each in made.items():
            lanes = self._slices[name]
            if each.mean is None:
                dq[lanes] = sums[name][1].sum()
            else:
                ups[name] = _through_norm(delta, each, sums[name], q[lanes, None], dq[lanes])
        for name, arrived in errors.pooled.items():
            arrived.append(ups[name])
        if "skip_connect" in made and "skip_connect" not in self.bodies:
            passed = self.skip.backward(delta, step)
            mix.mix(passed, _together(q[self._slices["skip_connect"]]), errors.x[:, 0])
        names = list(self.bodies)

        def backward(team: Team) -> None:
            into = errors.beside if team is self._teams.first else errors.rectified
            for name in (names[k] for k in team):
                backward_through(self.bodies[name], ups[name], into, step.sharing(q[self._slices[name]]))

        self._teams.each(backward, delta, step)
        return dq

    def tangent_to(self, node: Array, t: Readings, step: Step) -> None:
        """node += J t, at the activations that `step` kept and fixed q."""
        made, q = step.take(self)
        for name, each in made.items():
            scale = q[self._slices[name], None]
            if each.mean is not None:
                pooled = t.pooled.get(name)
                moved = self.bodies[name].tangent(t.rectified, step) if pooled is None else pooled
                sums = channel.grad_sums(moved, each.y, each.mean)
                moved = channel.combine(*_through_norm(moved, each, sums, scale))
                mix.mix(moved, array_module(moved).ones(moved.shape[1:3], moved.dtype), node[:, 0])
            else:
                mix.mix(self.skip.tangent(t.x, step), scale.sum(axis=0, keepdims=True), node[:, 0])


def _together(q: Array) -> Array:
    """(1, 1), of lanes that are copies of one map."""
    whole: Array = q[None] if len(q) == 1 else q.sum().reshape(1, 1)
    return whole


def _cost(body: Layer, channels: int) -> float:
    """About a candidate's time, for a channel of a pixel: its multiply-adds, and the moves of its maps."""
    layers = [layer for _, layer in body.walk()]
    weights = sum(p.size for layer in layers for _, p in layer.parameters())
    return weights / channels + MOVES * sum(layer.lanes for layer in layers if isinstance(layer, Conv))


def _through_norm(g: Array, made: Made, sums: Sums, q: Array, dq: Array | None = None) -> Upstream:
    """The error g behind the last norm and the mixture, in parts; ∂L/∂q goes into dq."""
    y, mean, rstd = made
    assert mean is not None
    assert rstd is not None
    count = y.size // (y.shape[1] * y.shape[2])
    return Upstream(g, y, *batchnorm.backward(mean, rstd, *sums, q, count, None, dq))
