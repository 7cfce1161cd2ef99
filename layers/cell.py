"""A cell of the search: two inputs, intermediate nodes that sum mixed edges, their concatenation as output."""

from collections.abc import Callable, Sequence

from ..engine.backend import Array, array_module
from ..engine.kernels import elementwise
from ..engine.rule import Rule
from ..engine.step import Step
from .candidates import FactorizedReduce
from .conv import Conv
from .conv_norm import RectifiedConv
from .layer import Layer, Sequential
from .mixed import MixedEdge, OperationLanes
from .norm import BatchNorm
from .pointwise import ReLU
from .source import Source


def preprocess(
    channels: int,
    outputs: int,
    rules: Sequence[Rule],
    reduce_rules: Sequence[Rule],
    halve: bool,
    affine: bool,
) -> Sequential:
    """ReLU, 1x1 convolution, BN; after a reduction cell the older input is halved by a factorized reduce."""
    norm = BatchNorm(outputs, affine=affine, track=affine)
    if halve:
        return Sequential(relu=ReLU(), conv=FactorizedReduce(channels, outputs, reduce_rules), norm=norm)
    return RectifiedConv(Conv(channels, outputs, 1, rules), norm)


class SearchCell(Layer):
    """DARTS' cell in search form. Node i (from 2) sums an edge from each earlier node; nodes 0 and 1 are the
    preprocessed outputs of the two cells before. In a reduction cell the edges from 0 and 1 have stride 2.
    operations(e) gives the candidates of edge e; partial: it has 1/partial of the channels (partial.py).
    """

    def __init__(
        self,
        inputs: tuple[int, int],
        channels: int,
        operations: Callable[[int], Sequence[OperationLanes]],
        *,
        reduction: bool,
        halve: bool,
        preprocess_rule: Rule,
        reduce_rule: Rule,
        nodes: int = 4,
        partial: int = 1,
    ) -> None:
        self.reduction, self._nodes = reduction, nodes
        rules = [preprocess_rule], [reduce_rule]
        self.preprocess0 = preprocess(inputs[0], channels, *rules, halve=halve, affine=False)
        self.preprocess1 = preprocess(inputs[1], channels, *rules, halve=False, affine=False)
        strides = [2 if reduction and j < 2 else 1 for j in range(nodes + 1)]
        self.edge = [
            MixedEdge(channels // partial, strides[j], operations(e))
            for e, j in enumerate(j for i in range(nodes) for j in range(i + 2))
        ]
        self.source = [Source(self.edge[0].operations, channels // partial, stride) for stride in strides]

    def forward_pair(self, before: Array, last: Array, q: Array, step: Step) -> Array:
        """The outputs of the two cells before, (N, 1, C, H, W) each; q (edges, lanes)."""
        states = [self.preprocess0.forward(before, step), self.preprocess1.forward(last, step)]
        xp, edges = array_module(last), iter(zip(self.edge, q, strict=True))
        read = [source.read(x, step) for source, x in zip(self.source, states, strict=False)]
        shape = self._node_shape(states[1])
        for i in range(self._nodes):
            node = xp.zeros(shape, last.dtype)
            for readings in read:
                edge, weights = next(edges)
                edge.add_to(node, readings, weights, step)
            states.append(node)
            if i < self._nodes - 1:  # nothing reads the last node within the cell
                read.append(self.source[i + 2].read(node, step))
        step.keep(self, states[1].shape)
        return elementwise.join(states[2:])

    def backward_pair(self, delta: Array, step: Step) -> tuple[Array, Array, Array]:
        """The errors of the two inputs, and ∂L/∂q (edges, lanes)."""
        (shape,), xp = step.take(self), array_module(delta)
        arrived = [xp.zeros(shape, delta.dtype) for _ in range(2)]
        arrived += elementwise.split(delta, self._nodes)
        errors = [source.no_errors(x) for source, x in zip(self.source, arrived, strict=False)]
        dq = xp.zeros((len(self.edge), self.edge[0].lanes), delta.dtype)
        e = len(self.edge)
        for i in reversed(range(2, self._nodes + 2)):
            error = self.source[i].collect(errors[i], step) if i < len(errors) else arrived[i]
            e -= i
            for j in range(i):
                dq[e + j] = self.edge[e + j].backward_to(error, errors[j], step)
        below = [self.source[j].collect(errors[j], step) for j in range(2)]
        return self.preprocess0.backward(below[0], step), self.preprocess1.backward(below[1], step), dq

    def tangent_pair(self, before: Array, last: Array, step: Step) -> Array:
        """The change of the output for changes of the two inputs and of the weights along step.direction."""
        xp, edges = array_module(last), iter(self.edge)
        moved = [self.preprocess0.tangent(before, step), self.preprocess1.tangent(last, step)]
        read = [source.read_tangent(t, step) for source, t in zip(self.source, moved, strict=False)]
        shape = self._node_shape(moved[1])
        for i in range(self._nodes):
            node = xp.zeros(shape, last.dtype)
            for readings in read:
                next(edges).tangent_to(node, readings, step)
            moved.append(node)
            if i < self._nodes - 1:
                read.append(self.source[i + 2].read_tangent(node, step))
        joined: Array = xp.concatenate(moved[2:], axis=2)
        return joined

    def _node_shape(self, x: Array) -> tuple[int, ...]:
        size = [(n + 1) // 2 if self.reduction else n for n in x.shape[3:]]
        return (*x.shape[:3], *size)
