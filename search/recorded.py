"""A job's steps as CUDA graphs: the host issues one launch and the step's inputs instead of every kernel."""

from typing import Protocol

import numpy as np

from ..engine.backend import Array, array_module
from ..engine.cuda.graph import Graph
from .inputs import Inputs
from .passes import Batch


class Recordable(Protocol):
    def inputs(self, epoch: int, index: int) -> Inputs: ...
    def take(self, given: Inputs) -> None: ...


class Recorded:
    """Takes the steps of a job on a CUDA device, in the same bits as the job itself.

    The first steps of a kind run as they are, until they need no new memory; the next one is recorded. Kinds differ
    in what the host decides: whether α rests, and the probability of drop-path, which changes with the epoch.
    """

    def __init__(self, job: Recordable) -> None:
        self.job = job
        self._kind: tuple[bool, float] | None = None
        self._graph: Graph | None = None

    def step(self, epoch: int, index: int) -> None:
        given = self.job.inputs(epoch, index)
        kind = given.val is None, given.drop_path
        if self._graph is None or kind != self._kind:
            self._kind, self._given, self._recorded = kind, lasting(given), False
            self._graph = Graph(lambda: self.job.take(self._given))
        if not self._recorded:
            self._given = self._given._replace(update=given.update)
        tell(self._given, given)
        if not self._graph.settled:
            self._graph.run()
            return
        if not self._recorded:
            self._graph.record()
            self._recorded = True
        self._graph.launch()


def lasting(given: Inputs) -> Inputs:
    """The same inputs in arrays that stay."""
    xp = array_module(given.train.images)
    return given._replace(
        train=Batch(*map(xp.array, given.train)),
        val=given.val and Batch(*map(xp.array, given.val)),
        lr=xp.full((), given.lr, given.train.images.dtype),
        clock=xp.zeros((), np.int64),
    )


def tell(into: Inputs, given: Inputs) -> None:
    """Write a step's inputs where its graph reads them."""
    for there, batch in ((into.train, given.train), (into.val, given.val)):
        if there is not None and batch is not None:
            there.images[...], there.labels[...] = batch
    _number(into.lr, given.lr)
    _number(into.clock, given.update - into.update)


def _number(into: "float | Array | None", value: float | Array) -> None:
    into.fill(value)  # type: ignore[union-attr]  # `lasting` has made an array of it
