"""An edge of a found network: ReLU, body, batch norm with γ and β, and drop-path where it is no identity."""

from typing import NamedTuple

from ..engine.backend import Array
from ..engine.kernels import channel
from ..engine.kernels.half import Upstream
from ..engine.rule import Rule
from ..engine.step import Step
from .candidates import OPERATIONS, is_normed, reads_rectified
from .dropout import DropPath
from .halves import Halves
from .layer import Layer, Sequential
from .norm import BatchNorm
from .pointwise import ReLU


class Edge(NamedTuple):
    """One chosen edge: into `node` (from 2) from an earlier node; rule None: no weights to learn."""

    node: int
    source: int
    operation: str
    rule: Rule | None


class FusedOperation(Sequential):
    """ReLU, halves, batch norm, drop-path. A cell rectifies a node once for all edges out of it, and the halves add
    their error to one sum for all of them; where they do not fuse, this is a plain sequence of its layers."""

    def __init__(self, name: str, body: Halves, channels: int) -> None:
        self._body, self._norm, self._drop_path = body, BatchNorm(channels), DropPath()
        super().__init__(relu=ReLU(), **{name: body}, norm=self._norm, drop_path=self._drop_path)

    def fuses(self, step: Step) -> bool:
        return self._body.fuses(step)

    def forward_rectified(self, rectified: Array, step: Step) -> Array:
        """From max(x, 0), (N, 1, C, H, W)."""
        y, mean, variance = self._body.forward_moments(rectified, step)
        (a, b, mean), rstd = self._norm.normed(mean, variance, y, step)
        step.keep(self, y, mean, rstd)
        return self._drop_path.forward(channel.affine(y, a, b), step)

    def backward_rectified(self, delta: Array, into: Array, step: Step) -> None:
        """Adds the error of max(x, 0) to `into`."""
        y, mean, rstd = step.take(self)
        g = self._drop_path.backward(delta, step)
        S0, S1 = channel.grad_sums(g, y, mean)
        coefficients = self._norm.coefficients(mean, rstd, S0, S1, y, step)
        self._body.backward_through(Upstream(g, y, *coefficients), into, step)


def chosen_operation(edge: Edge, channels: int, stride: int, reduce_rule: Rule) -> Sequential:
    """The operation of an edge in evaluation form."""
    name, rules = edge.operation, [edge.rule or reduce_rule]
    body = OPERATIONS[name].build(channels, stride, rules, True)
    if body is None:
        return Sequential()
    if isinstance(body, Halves):
        return FusedOperation(name, body, channels)
    layers: dict[str, Layer] = {"relu": ReLU()} if reads_rectified(name, stride) else {}
    layers[name] = body
    if is_normed(name, stride, affine=True):
        layers["norm"] = BatchNorm(channels)
    return Sequential(**layers, drop_path=DropPath())
