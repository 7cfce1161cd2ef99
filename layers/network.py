"""The network of a genotype, in evaluation form: DARTS' skeleton with one operation and one rule an edge."""

from collections.abc import Sequence
from typing import NamedTuple

from ..engine.backend import Array, array_module
from ..engine.kernels import channel, elementwise
from ..engine.step import Step
from .auxiliary import AuxiliaryHead
from .cell import preprocess
from .chosen import Edge, FusedOperation, chosen_operation
from .layer import Layer, Sequential
from .linear import Linear
from .pointwise import GlobalAverage
from .roles import Roles
from .skeleton import plan, stem


class CellGenotype(NamedTuple):
    edges: Sequence[Edge]
    concat: Sequence[int]


class FixedCell(Layer):
    """A cell with its chosen edges: operations end in an affine BN (pools in none), drop-path off identities."""

    def __init__(
        self,
        inputs: tuple[int, int],
        channels: int,
        genotype: CellGenotype,
        *,
        reduction: bool,
        halve: bool,
        roles: Roles,
    ) -> None:
        self._genotype = genotype
        rules = [roles.preprocess], [roles.reduce]
        self.preprocess0 = preprocess(inputs[0], channels, *rules, halve=halve, affine=True)
        self.preprocess1 = preprocess(inputs[1], channels, *rules, halve=False, affine=True)
        self.edge = [
            chosen_operation(e, channels, 2 if reduction and e.source < 2 else 1, roles.reduce)
            for e in genotype.edges
        ]

    def forward_pair(self, before: Array, last: Array, step: Step) -> Array:
        """The outputs of the two cells before, (N, 1, C, H, W) each, to the joined nodes."""
        nodes: dict[int, Array] = {
            0: self.preprocess0.forward(before, step),
            1: self.preprocess1.forward(last, step),
        }
        rectified: dict[int, Array] = {}
        for edge, layer in zip(self._genotype.edges, self.edge, strict=True):
            y = self._forward(edge, layer, nodes, rectified, step)
            nodes[edge.node] = elementwise.plus(nodes[edge.node], y) if edge.node in nodes else y
        step.keep(self, rectified)
        return elementwise.join([nodes[i] for i in self._genotype.concat])

    def _forward(
        self, edge: Edge, layer: Sequential, nodes: dict[int, Array], rectified: dict[int, Array], step: Step
    ) -> Array:
        x = nodes[edge.source]
        if not (isinstance(layer, FusedOperation) and layer.fuses(step)):
            return layer.forward(x, step)
        if edge.source not in rectified:
            rectified[edge.source] = elementwise.rectify(x)
        return layer.forward_rectified(rectified[edge.source], step)

    def backward_pair(self, delta: Array, step: Step) -> tuple[Array, Array]:
        xp, concat = array_module(delta), self._genotype.concat
        (rectified,) = step.take(self)
        errors = dict(zip(concat, elementwise.split(delta, len(concat)), strict=True))
        positive: dict[int, Array] = {}  # the error of max(x, 0) of a node, summed over the edges out of it
        for edge, layer in reversed(list(zip(self._genotype.edges, self.edge, strict=True))):
            error = self._error(edge.node, errors, positive, rectified)
            if error is None:  # nothing reads the node
                continue
            if layer in step.tape and isinstance(layer, FusedOperation):
                if edge.source not in positive:
                    positive[edge.source] = xp.zeros_like(rectified[edge.source])
                layer.backward_rectified(error, positive[edge.source], step)
            else:
                _add(errors, edge.source, layer.backward(error, step))
        before, last = (self._error(i, errors, positive, rectified) for i in (0, 1))
        return self._input(self.preprocess0, before, step), self._input(self.preprocess1, last, step)

    def _error(
        self, node: int, errors: dict[int, Array], positive: dict[int, Array], rectified: dict[int, Array]
    ) -> Array | None:
        """The whole error of a node whose readers have all sent theirs; None where there are none."""
        if node in positive:
            _add(errors, node, channel.relu_grad(positive.pop(node), rectified[node]))
        return errors.get(node)

    def _input(self, layer: Sequential, error: Array | None, step: Step) -> Array:
        if error is None:  # the cell does not read this input
            kept = layer if layer in step.tape else layer.layers["relu"]
            x, *_ = step.take(kept)
            for _, part in layer.walk() if not step.keep_tape else ():
                step.tape.pop(part, None)
            unread: Array = 0 * x
            return unread
        return layer.backward(error, step)


def _add(errors: dict[int, Array], node: int, error: Array) -> None:
    errors[node] = elementwise.plus(errors[node], error) if node in errors else error


class GenotypeNetwork(Layer):
    """Normalised images (N, 1, C, H, W) to logits (N, K); with `auxiliary`, a second head after cell 2·cells//3."""

    def __init__(
        self,
        image_channels: int,
        classes: int,
        normal: CellGenotype,
        reduce: CellGenotype,
        *,
        channels: int,
        cells: int,
        auxiliary: bool = False,
        roles: Roles | None = None,
    ) -> None:
        roles = roles or Roles()
        genotypes = {False: normal, True: reduce}
        self.stem = stem(image_channels, channels, roles.stem)
        plans = plan(cells, channels, {k: len(g.concat) for k, g in genotypes.items()})
        self.cell = [
            FixedCell(
                p.inputs,
                p.channels,
                genotypes[p.reduction],
                reduction=p.reduction,
                halve=p.halve,
                roles=roles,
            )
            for p in plans
        ]
        self._auxiliary_at = 2 * cells // 3
        self.auxiliary: AuxiliaryHead | None = None
        if auxiliary:
            width = plans[self._auxiliary_at].channels * len(
                genotypes[plans[self._auxiliary_at].reduction].concat
            )
            self.auxiliary = AuxiliaryHead(width, classes, roles.auxiliary)
        self.pool = GlobalAverage()
        self.classifier = Linear(
            self._width(plans[-1].channels, genotypes, plans[-1].reduction), classes, [roles.classifier]
        )

    @staticmethod
    def _width(channels: int, genotypes: dict[bool, CellGenotype], reduction: bool) -> int:
        return channels * len(genotypes[reduction].concat)

    def forward(self, x: Array, step: Step) -> Array:
        """Logits (N, K); (2, N, K) with the auxiliary head's second where it is present and step.training."""
        x = self.stem.forward(x, step)
        older = last = x
        second = None
        for i, cell in enumerate(self.cell):
            older, last = last, cell.forward_pair(older, last, step)
            if self.auxiliary is not None and step.training and i == self._auxiliary_at:
                second = self.auxiliary.forward(last, step)
        logits = self.classifier.forward(self.pool.forward(last, step), step)
        return logits if second is None else array_module(logits).stack([logits, second])

    def backward(self, delta: Array, step: Step) -> Array:
        """delta (N, K), or (2, N, K) with the auxiliary head's error, which is the e of its own layers."""
        main, second = (delta[0], delta[1]) if delta.ndim == 3 else (delta, None)
        last = self.classifier.backward(main, step)
        if step.ends_at(self.classifier):
            return last
        beside = None if second is None else self._auxiliary_error(second, main, step)
        last = self.pool.backward(last, step)
        older: Array | None = None
        for i, cell in reversed(list(enumerate(self.cell))):
            if beside is not None and i == self._auxiliary_at:
                last = elementwise.plus(last, beside)
            before, below = cell.backward_pair(last, step)
            if step.ends_at(cell):
                return below
            last, older = below if older is None else elementwise.plus(below, older), before
        return self.stem.backward(last if older is None else elementwise.plus(last, older), step)

    def _auxiliary_error(self, second: Array, main: Array, step: Step) -> Array:
        """What the auxiliary head sends down. It learns also where the cells beside it do not."""
        assert self.auxiliary is not None
        step.top = second
        below = self.auxiliary.backward(second, step)
        step.top = main
        return below
