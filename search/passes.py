"""One forward and backward pass of a supernet on a batch."""

from typing import NamedTuple

from ..engine.backend import Array
from ..engine.loss import correct, cross_entropy, sample_losses
from ..engine.probe import descend
from ..engine.step import Step
from ..layers.model import Model
from ..layers.supernet import Supernet, Weights
from .broadcast import Broadcast


class Batch(NamedTuple):
    """Images (n, C, H, W) in [0, 1], labels (n,); where the network lies, or to be copied there."""

    images: Array
    labels: Array


class Told(NamedTuple):
    """What a pass tells: the loss and the number of correct answers (0-d arrays), and ∂L/∂q."""

    loss: Array
    correct: Array
    dq: Weights


def mixed_pass(
    model: Model,
    supernet: Supernet,
    batch: Batch,
    q: Weights,
    step: Step,
    broadcast: Broadcast | None = None,
) -> Told:
    """Forward and backward; with step.learn the rules' updates are added to the (cleared) gradient.

    broadcast: of a pass in which the weights learn.
    """
    if step.learn:
        model.arena.grad.fill(0)
    labels = model.backend.asarray(batch.labels)
    images = model.images(batch.images)
    if broadcast is not None:
        broadcast.probe(lambda s: sample_losses(supernet.forward_mixed(images, q, s), labels), step)
    logits = supernet.forward_mixed(images, q, step)
    loss, error = cross_entropy(logits, labels)
    hits = correct(logits, labels)
    if broadcast is not None:
        broadcast.modulate(loss, hits, len(labels), step)
    dq = descend(supernet.backward_mixed, error, step)
    if broadcast is not None:
        broadcast.learned()
    return Told(loss, hits, dq)
