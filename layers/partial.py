"""Partial channels (PC-DARTS, Xu et al. 2020): 1/K of a map's channels pass the mixed operations, the rest go round.

    x_j = [f_j | r_j]      f the first C/K channels of a state, r the others
    node_i   = Σ_j Σ_k q_jk o_k(f_j)
    around_i = Σ_j b_j r_j                     r through a 2 x 2 max pool where the edge has stride 2
    x_i      = shuffle [node_i | around_i]     its channel c·K + g is channel c of the g-th K-th

What goes round does not depend on the candidates, and the shuffle is one for all edges into a node: both are done
once a state. q (edges, lanes + 1) has b, the weight of the edge itself, in its last column: 1, or PC-DARTS' edge
weight, which weighs q too (search/architecture.py).
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ..engine.backend import Array, array_module
from ..engine.kernels import elementwise, mix, pool
from ..engine.step import Step
from .cell import SearchCell
from .layer import Layer
from .mixed import OperationLanes
from .source import Errors, Readings


class HalvingPool(Layer):
    """2 x 2 max pool of stride 2; of an odd size the last window holds what is left (PyTorch's ceil_mode)."""

    def forward(self, x: Array, step: Step) -> Array:
        y, where = pool.max_pool(_even(x), 2, 2, 0)
        step.keep(self, where, x.shape[-2:])
        return y

    def backward(self, delta: Array, step: Step) -> Array:
        where, (H, W) = step.take(self)
        below = pool.max_pool_pull(delta, where, 2, 2, 0, (H + H % 2, W + W % 2))
        inside: Array = array_module(below).ascontiguousarray(below[..., :H, :W])
        return inside

    def tangent(self, t: Array, step: Step) -> Array:
        where, _ = step.take(self)
        return pool.max_pool_push(_even(t), where, 2, 2, 0)


class Parts(NamedTuple):
    """A state as its edges read it, or how it changes: of the first channels what a Source makes, and the rest at the
    nodes' size."""

    first: Readings
    rest: Array


class PartErrors(NamedTuple):
    """The errors of both."""

    first: Errors
    rest: Array


class PartialCell(SearchCell):
    """A SearchCell whose mixed edges have 1/partial of the channels; q (edges, lanes + 1)."""

    def __init__(
        self,
        inputs: tuple[int, int],
        channels: int,
        operations: Callable[[int], Sequence[OperationLanes]],
        *,
        partial: int,
        **form: Any,
    ) -> None:
        super().__init__(inputs, channels, operations, partial=partial, **form)
        self._width, self._partial = channels // partial, partial
        self.halving = [HalvingPool() for _ in range(2 if self.reduction else 0)]

    def forward_pair(self, before: Array, last: Array, q: Array, step: Step) -> Array:
        """As SearchCell.forward_pair."""
        inputs = self.preprocess0.forward(before, step), self.preprocess1.forward(last, step)
        states, edges, nodes = [self._read(j, x, step) for j, x in enumerate(inputs)], iter(self.edge), []
        for i in range(self._nodes):
            node, around = self._empty(states[0].rest)
            for state, weights in zip(states, self._into(i, q), strict=True):
                next(edges).add_to(node, state.first, weights[:-1], step)
                mix.mix(state.rest, weights[-1:, None], around[:, 0])
            nodes.append(shuffled(node, around))
            if i < self._nodes - 1:  # nothing reads the last node within the cell
                states.append(self._read(i + 2, nodes[-1], step))
        step.keep(self, [state.rest for state in states], inputs[0].shape, q)
        return elementwise.join(nodes)

    def backward_pair(self, delta: Array, step: Step) -> tuple[Array, Array, Array]:
        """As SearchCell.backward_pair; ∂L/∂q (edges, lanes + 1)."""
        (rests, shape, q), xp = step.take(self), array_module(delta)
        splits = elementwise.split(delta, self._nodes)
        firsts = [xp.zeros((*shape[:2], self._width, *shape[3:]), delta.dtype) for _ in range(2)]
        firsts += [
            xp.ascontiguousarray(x[:, :, : self._width]) for x in splits[:-1]
        ]  # nothing reads the last
        errors = [
            PartErrors(source.no_errors(first), xp.zeros_like(rest))
            for source, first, rest in zip(self.source, firsts, rests, strict=False)
        ]
        dq, e = xp.zeros((len(self.edge), self.edge[0].lanes + 1), delta.dtype), len(self.edge)
        for i, error in reversed(list(enumerate(splits, 2))):
            if i < len(errors):
                error[:, :, : self._width] = self.source[i].collect(errors[i].first, step)
                error[:, :, self._width :] += errors[i].rest
            node, around = unshuffled(error, self._partial)
            e -= i
            for j, (into, rest) in enumerate(zip(errors[:i], rests, strict=False), e):
                dq[j, :-1] = self.edge[j].backward_to(node, into.first, step)
                dq[j, -1] = xp.vdot(around, rest)
                mix.mix(around, q[j, -1:, None], into.rest[:, 0])
        below = [self._unread(j, errors[j], step) for j in range(2)]
        return self.preprocess0.backward(below[0], step), self.preprocess1.backward(below[1], step), dq

    def tangent_pair(self, before: Array, last: Array, step: Step) -> Array:
        """As SearchCell.tangent_pair."""
        *_, q = step.take(self)
        inputs = self.preprocess0.tangent(before, step), self.preprocess1.tangent(last, step)
        moved, edges, nodes = [self._move(j, t, step) for j, t in enumerate(inputs)], iter(self.edge), []
        for i in range(self._nodes):
            node, around = self._empty(moved[0].rest)
            for t, weights in zip(moved, self._into(i, q), strict=True):
                next(edges).tangent_to(node, t.first, step)
                mix.mix(t.rest, weights[-1:, None], around[:, 0])
            nodes.append(shuffled(node, around))
            if i < self._nodes - 1:
                moved.append(self._move(i + 2, nodes[-1], step))
        return elementwise.join(nodes)

    def _into(self, i: int, q: Array) -> Array:
        """The rows of q that belong to the edges into node i."""
        start = i * (i + 3) // 2
        return q[start : start + i + 2]

    def _empty(self, rest: Array) -> tuple[Array, Array]:
        """A node, and what goes round it, of zeros."""
        xp = array_module(rest)
        return xp.zeros((*rest.shape[:2], self._width, *rest.shape[3:]), rest.dtype), xp.zeros_like(rest)

    def _split(self, x: Array) -> tuple[Array, Array]:
        contiguous = array_module(x).ascontiguousarray
        return contiguous(x[:, :, : self._width]), contiguous(x[:, :, self._width :])

    def _read(self, j: int, x: Array, step: Step) -> Parts:
        first, rest = self._split(x)
        rest = self.halving[j].forward(rest, step) if j < len(self.halving) else rest
        return Parts(self.source[j].read(first, step), rest)

    def _unread(self, j: int, error: PartErrors, step: Step) -> Array:
        """The error of input j."""
        rest = self.halving[j].backward(error.rest, step) if j < len(self.halving) else error.rest
        return elementwise.join([self.source[j].collect(error.first, step), rest])

    def _move(self, j: int, t: Array, step: Step) -> Parts:
        """What changes of a state that moves along t."""
        first, rest = self._split(t)
        rest = self.halving[j].tangent(rest, step) if j < len(self.halving) else rest
        return Parts(self.source[j].read_tangent(first, step), rest)


def shuffled(node: Array, around: Array) -> Array:
    """(N, R, C, H, W) of node (N, R, C/K, H, W) and around (N, R, C - C/K, H, W)."""
    (N, R, P, *size), parts = node.shape, 1 + around.shape[2] // node.shape[2]
    y: Array = array_module(node).empty((N, R, P, parts, *size), node.dtype)
    y[:, :, :, 0] = node
    y[:, :, :, 1:] = around.reshape(N, R, parts - 1, P, *size).swapaxes(2, 3)
    return y.reshape(N, R, P * parts, *size)


def unshuffled(y: Array, parts: int) -> tuple[Array, Array]:
    """The node and what goes round it, the inverse of `shuffled`."""
    (N, R, C, *size), contiguous = y.shape, array_module(y).ascontiguousarray
    y = y.reshape(N, R, C // parts, parts, *size)
    node: Array = contiguous(y[:, :, :, 0])
    around: Array = contiguous(y[:, :, :, 1:].swapaxes(2, 3))
    return node, around.reshape(N, R, C - C // parts, *size)


def _even(x: Array) -> Array:
    """x with its last row and column repeated where their number is odd: the first of equal taps wins the maximum."""
    odd = [(0, n % 2) for n in x.shape[-2:]]
    if odd == [(0, 0), (0, 0)]:
        return x
    padded: Array = array_module(x).pad(x, [(0, 0)] * (x.ndim - 2) + odd, mode="edge")
    return padded
