"""The supernet: DARTS' network with every candidate on every edge."""

from collections.abc import Callable, Sequence
from functools import partial as bound

from ..engine.backend import Array, array_module
from ..engine.step import Step
from .cell import SearchCell
from .layer import Layer
from .linear import Linear
from .mixed import OperationLanes
from .partial import PartialCell
from .pointwise import GlobalAverage
from .roles import Roles
from .skeleton import plan, stem

Candidates = Callable[[bool, int], Sequence[OperationLanes]]  # of (is it a reduction cell, edge)
Weights = tuple[
    Array, Array
]  # of each edge's lanes, (edges, lanes or lanes + 1): normal cells, reduction cells


class Supernet(Layer):
    """Normalised images (N, 1, C, H, W) to logits (N, K), for given weights of the lanes.

    Cells of a kind share their architecture and nothing else. partial: the mixed edges have 1/partial of the
    channels, and the weights of an edge one more, of what goes round them (partial.py).
    """

    def __init__(
        self,
        image_channels: int,
        classes: int,
        operations: Candidates,
        *,
        channels: int,
        cells: int,
        nodes: int = 4,
        roles: Roles | None = None,
        partial: int = 1,
    ) -> None:
        roles, self._round = roles or Roles(), int(partial > 1)
        cell = SearchCell if partial == 1 else bound(PartialCell, partial=partial)
        self.stem = stem(image_channels, channels, roles.stem)
        plans = plan(cells, channels, {False: nodes, True: nodes})
        self.cell = [
            cell(
                p.inputs,
                p.channels,
                bound(operations, p.reduction),
                reduction=p.reduction,
                halve=p.halve,
                preprocess_rule=roles.preprocess,
                reduce_rule=roles.reduce,
                nodes=nodes,
            )
            for p in plans
        ]
        self.pool = GlobalAverage()
        self.classifier = Linear(plans[-1].channels * nodes, classes, [roles.classifier])

    def forward_mixed(self, images: Array, q: Weights, step: Step) -> Array:
        """q on the host or the device."""
        xp = array_module(images)
        q = xp.asarray(q[0], images.dtype), xp.asarray(q[1], images.dtype)
        x = self.stem.forward(images, step)
        older = last = x
        for cell in self.cell:
            older, last = last, cell.forward_pair(older, last, q[cell.reduction], step)
        return self.classifier.forward(self.pool.forward(last, step), step)

    def backward_mixed(self, error: Array, step: Step) -> Weights:
        """From e = ∂L/∂logits (N, K): updates into the gradients where step.learn; ∂L/∂q, where the images lie."""
        step.top, xp = error, array_module(error)
        dq = xp.zeros(self.weights_shape()), xp.zeros(self.weights_shape())
        last = self.pool.backward(self.classifier.backward(error, step), step)
        older: Array | None = None
        for cell in reversed(self.cell):
            before, below, cell_dq = cell.backward_pair(last, step)
            dq[cell.reduction][...] += cell_dq
            last, older = below if older is None else below + older, before
        self.stem.backward(last if older is None else last + older, step)
        return dq

    def weights_shape(self) -> tuple[int, int]:
        """Of the weights of one kind of cell: edges, lanes."""
        return len(self.cell[0].edge), self.cell[0].edge[0].lanes + self._round

    def tangent_mixed(self, step: Step) -> Array:
        """The change of the logits for a change of the weights along step.direction, through the feedback B."""
        older = last = self.stem.tangent(self._no_change(step), step)
        for cell in self.cell:
            older, last = last, cell.tangent_pair(older, last, step)
        return self.classifier.tangent(self.pool.tangent(last, step), step)

    def _no_change(self, step: Step) -> Array:
        x, *_ = step.take(self.stem.layers["conv"])
        unchanged: Array = 0 * x
        return unchanged
