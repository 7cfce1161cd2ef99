"""A job's steps as CUDA graphs: the host issues one launch and the step's inputs instead of every kernel."""

from typing import Protocol

import numpy as np

from ..engine.backend import Array, Backend, array_module
from ..engine.cuda.graph import Graph
from ..engine.errors import DeviceError, UsageError
from .inputs import Inputs
from .passes import Batch


class Recordable(Protocol):
    def inputs(self, epoch: int, index: int) -> Inputs: ...
    def take(self, given: Inputs) -> None: ...


def check_device(graph: bool, backend: Backend) -> None:
    """Raises UsageError where steps should be recorded and no CUDA device takes them."""
    if graph and backend.device != "cuda":
        raise UsageError(
            f"--graph records steps on CUDA, and this run computes on {backend.device} ({backend.description}).",
            "Leave it out, or use --device cuda.",
        )


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
            self._record(self._graph)
        self._graph.launch()

    def _record(self, graph: Graph) -> None:
        try:
            graph.record()
        except Exception as error:  # CuPy's and the driver's own classes, for whatever a graph cannot repeat
            said = (str(error) or type(error).__name__).splitlines()[0]
            raise DeviceError(
                f"This step cannot be recorded as a CUDA graph ({said}).", "Leave out --graph."
            ) from error
        self._recorded = True


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
