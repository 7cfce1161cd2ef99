"""One forward and backward pass of a supernet on a batch."""

from typing import Any, NamedTuple

from numpy.typing import NDArray

from ..engine.backend import Array
from ..engine.loss import correct, cross_entropy
from ..engine.probe import descend
from ..engine.step import Step
from ..layers.model import Model
from ..layers.supernet import Supernet, Weights


class Batch(NamedTuple):
    """Images (n, C, H, W) in [0, 1], labels (n,)."""

    images: Array
    labels: NDArray[Any]


class Told(NamedTuple):
    """What a pass tells: the loss and the number of correct answers (0-d arrays), and ∂L/∂q."""

    loss: Array
    correct: Array
    dq: Weights


def mixed_pass(model: Model, supernet: Supernet, batch: Batch, q: Weights, step: Step) -> Told:
    """Forward and backward; with step.learn the rules' updates are added to the (cleared) gradient."""
    if step.learn:
        model.arena.grad.fill(0)
    labels = model.backend.asarray(batch.labels)
    logits = supernet.forward_mixed(model.images(batch.images), q, step)
    loss, error = cross_entropy(logits, labels)
    dq = descend(supernet.backward_mixed, error, step)
    return Told(loss, correct(logits, labels), dq)
