"""A network as its scores see it: one forward pass of one batch, and what several scores share of it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..engine.backend import Array
from ..engine.kernels.batchnorm import EPSILON
from ..engine.loss import correct, cross_entropy, sample_losses
from ..engine.step import Step
from ..layers.model import Model
from ..layers.norm import BatchNorm
from ..layers.pointwise import ReLU
from .broadcast import Broadcast

Floats = NDArray[np.float64]


class Look:
    """Nothing of it remains in the model, but that its first layer now sends its error to the images.

    x (N, 1, C, H, W) as the network takes it, labels (N,), on the CPU. double: makes the same network in float64.
    broadcast: what a step tells all synapses at once, for rules that ask. update: the updates made so far.
    """

    def __init__(
        self,
        model: Model,
        x: Array,
        labels: NDArray[np.int64],
        double: Callable[[], Model] | None = None,
        broadcast: Broadcast | None = None,
        update: int = 0,
        training: bool = True,
    ) -> None:
        self.model, self.x, self.labels, self.double = model, x, labels, double
        self.broadcast = broadcast or Broadcast(model.synapses, "reward", model.backend)
        model.synapses[0].sends_error = True
        key = model.key.to("scores")
        # the tape is kept, so that no layers fuse: each of them leaves what it made
        self.step = Step(key, update, training=training, exact=True, track=False, keep_tape=True)
        self.logits = model.network.forward(x, self.step)

    def at(self, x: Array, labels: NDArray[np.int64]) -> "Look":
        """The same network at other images."""
        return Look(self.model, x, labels, self.double, self.broadcast, self.step.update)

    def alone(self, x: Array) -> "Look":
        """The same network at this one image (1, 1, C, H, W), its norms by their running statistics."""
        return Look(
            self.model, x, self.labels[:1], self.double, self.broadcast, self.step.update, training=False
        )

    @contextmanager
    def constant_statistics(self) -> Iterator[None]:
        """Within the block this batch's statistics stand in the place of the running ones."""
        norms = [n for _, n in self.model.network.walk() if isinstance(n, BatchNorm) and n in self.step.tape]
        before = [{label: value.copy() for label, value in norm.buffers.items()} for norm in norms]
        for norm in norms:
            _, mean, rstd, _ = self.step.tape[norm]
            norm.buffers["mean"][...], norm.buffers["variance"][...] = mean, rstd**-2.0 - EPSILON
        try:
            yield
        finally:
            for norm, buffers in zip(norms, before, strict=True):
                for label, value in buffers.items():
                    norm.buffers[label][...] = value

    @cached_property
    def error(self) -> Array:
        """∂L/∂logits."""
        return cross_entropy(self.logits, self.labels)[1]

    @cached_property
    def gradients(self) -> list[Floats]:
        """∂L/∂W of each synapse."""
        self.backward(self.error)
        return self._collected()

    def told(self) -> list[Floats]:
        """−ΔW of each synapse, by its own rule."""
        step = replace(self.step, exact=False, top=self.error)
        self.broadcast.probe(self._losses, step)
        loss, _ = cross_entropy(self.logits, self.labels)
        self.broadcast.modulate(loss, correct(self.logits, self.labels), len(self.labels), step)
        self.backward(self.error, step)
        return self._collected()

    def backward(self, delta: Array, step: Step | None = None) -> Array:
        """∂(Σ delta · logits)/∂x, and the same by every weight into its gradient."""
        self.model.arena.grad.fill(0)
        return self.model.network.backward(delta, step or self.step)

    def weights_told(self, delta: Array) -> Array:
        """∂(Σ delta · logits)/∂w, all weights of synapses in one row, in the network's dtype."""
        self.backward(delta)
        return np.concatenate([s.W.grad.ravel() for s in self.model.synapses])

    def jacobian(self, delta: Array) -> Floats:
        """∂(Σ delta · logits)/∂x_n, a row (N, D) an image."""
        rows: Floats = self.backward(delta).reshape(len(self.x), -1).astype(np.float64)
        return rows

    def rectified(self) -> Iterator[Array]:
        """What every rectifier gave, in the order of the layers."""
        for _, layer in self.model.network.walk():
            if layer in self.step.tape and isinstance(layer, ReLU):
                yield self.step.tape[layer][0]
            elif layer in self.step.tape and isinstance(layer, BatchNorm) and layer.relu:
                yield self.step.tape[layer][3]

    def signs(self) -> Iterator[NDArray[np.bool_]]:
        """Of every rectifier, which of its units (N, units) are on."""
        return (y.reshape(len(y), -1) > 0 for y in self.rectified())

    def _collected(self) -> list[Floats]:
        return [s.W.grad.astype(np.float64) for s in self.model.synapses]

    def _losses(self, step: Step) -> Array:
        return sample_losses(self.model.network.forward(self.x, step), self.labels)
