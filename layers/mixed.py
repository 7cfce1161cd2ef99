"""A mixed edge: node += Σ_k q_k · BN(o_k(x)), every candidate at once.

The last batch norm of each candidate and the mixture are one affine map per lane and channel, so that forward
adds each lane to the node once, and backward finds ∂L/∂q_k and the norm's gradient from the same two sums:

    x̂ = (y - μ)/√(σ² + ε)     S1 = Σ δ x̂     ∂L/∂q_r = Σ_c S1[r, c]      (r: lanes, c: channels)
"""

from collections.abc import Sequence
from typing import NamedTuple

from ..engine.backend import Array, array_module
from ..engine.kernels import channel, mix
from ..engine.kernels.half import Upstream
from ..engine.rule import Rule
from ..engine.step import Step
from .candidates import OPERATIONS, is_normed, reads_rectified
from .halves import backward_through, forward_moments
from .layer import Layer
from .norm import EPSILON, gradient_coefficients


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
        self._slices: list[slice] = []
        start = 0
        for name, rules in operations:
            body = OPERATIONS[name].build(channels, stride, rules, False)
            if body is not None:
                self.bodies[name] = body
            self._slices.append(slice(start, start + len(rules)))
            start += len(rules)
        self.lanes = start

    def add_to(self, node: Array, x: Array, rectified: Array, q: Array, step: Step) -> None:
        """node (N, 1, C, Ho, Wo) += the mixture. rectified = max(x, 0), which all edges out of x share."""
        kept = []
        xp, shift = array_module(x), array_module(x).zeros(node.shape[2])
        for (name, _), lanes in zip(self._operations, self._slices, strict=True):
            y, mean, rstd = self._forward(name, x, rectified, step)
            kept.append((y, mean, rstd))
            if y is not None:
                scale = q[lanes, None] * (xp.ones((1, node.shape[2])) if rstd is None else rstd)
                if mean is not None:
                    shift -= (scale * mean).sum(axis=0)
                _add(node, y, scale)
        node += shift.astype(node.dtype)[:, None, None]
        step.keep(self, kept, q)

    def backward_to(self, delta: Array, below: Array, below_rectified: Array, step: Step) -> Array:
        """Adds the error to the input's two branches; returns ∂L/∂q (lanes,) in float64."""
        kept, q = step.take(self)
        dq: Array = array_module(delta).zeros(self.lanes)
        for (name, _), lanes, (y, mean, rstd) in zip(self._operations, self._slices, kept, strict=True):
            if y is None:
                continue
            target = below_rectified if reads_rectified(name, self.stride) else below
            if rstd is None:
                dq[lanes], error = self._plain(delta, y, q[lanes])
                target += error
            else:
                S0, S1 = channel.grad_sums(delta, y, mean)
                S1 = S1 * rstd
                dq[lanes] = S1.sum(axis=1)
                up = self._through_norm(delta, y, mean, rstd, q[lanes, None], S0, S1)
                step.share = q[lanes]
                backward_through(self.bodies[name], up, target, step)
                step.share = None
        return dq

    def tangent_to(self, node: Array, t: Array, t_rectified: Array, step: Step) -> None:
        """node += J t, at the activations that `step` kept and fixed q."""
        kept, q = step.take(self)
        for (name, _), lanes, (y, mean, rstd) in zip(self._operations, self._slices, kept, strict=True):
            if y is None:
                continue
            body = self.bodies.get(name)
            source = t_rectified if reads_rectified(name, self.stride) else t
            moved = source if body is None else body.tangent(source, step)
            if rstd is not None:
                S0, S1 = channel.grad_sums(moved, y, mean)
                up = self._through_norm(moved, y, mean, rstd, q[lanes, None], S0, S1 * rstd)
                moved = channel.combine(*up)
                _add(node, moved, array_module(moved).ones(mean.shape))
            else:
                _add(node, moved, q[lanes].sum() * array_module(moved).ones((1, node.shape[2])))

    def _forward(
        self, name: str, x: Array, rectified: Array, step: Step
    ) -> tuple[Array | None, Array | None, Array | None]:
        if name == "none":
            return None, None, None
        if not is_normed(name, self.stride, affine=False):
            return x, None, None
        source = rectified if reads_rectified(name, self.stride) else x
        y, mean, variance = forward_moments(self.bodies[name], source, step)
        return y, mean, 1.0 / array_module(y).sqrt(variance + EPSILON)

    def _plain(self, delta: Array, y: Array, q: Array) -> tuple[Array, Array]:
        """A skip: q's lanes are copies of one identity."""
        return array_module(y).vdot(delta, y), delta * q.sum().astype(delta.dtype)

    def _through_norm(
        self, g: Array, y: Array, mean: Array, rstd: Array, q: Array, S0: Array, S1: Array
    ) -> Upstream:
        count = y.size // (y.shape[1] * y.shape[2])
        a, b, d = gradient_coefficients(q, mean, rstd, S0, S1, count)
        return Upstream(g, y, a.astype(y.dtype), b.astype(y.dtype), d.astype(y.dtype))


def _add(node: Array, y: Array, scale: Array) -> None:
    """node += Σ_r scale[r] · y[:, r]; a lone lane of y serves several scales by their sum."""
    if y.shape[1] < len(scale):
        scale = scale.sum(axis=0, keepdims=True)
    mix.mix(y, scale.astype(y.dtype), node[:, 0])
