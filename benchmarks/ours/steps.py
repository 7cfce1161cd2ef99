"""A training step as search and training take it: forward, backward, clipping, SGD. No augmentation."""

from collections.abc import Callable
from itertools import count

from ...engine.loss import cross_entropy
from ...engine.optim import SGD, clip_norm
from ...engine.step import Step
from ...layers.model import Model
from ...search.passes import Batch, mixed_pass
from ..subject import Subject
from .models import Searched

RATE, MOMENTUM, DECAY, CLIP = 0.025, 0.9, 3e-4, 5.0
AUXILIARY = 0.4


def weight_step(searched: Searched, batch: Batch) -> Subject:
    """One step of a supernet's weights."""
    q = searched.architecture.lane_weights()

    def descend(step: Step) -> float:
        return float(mixed_pass(searched.model, searched.supernet, batch, q, step).loss)

    return subject(searched.model, descend)


def training_step(model: Model, batch: Batch) -> Subject:
    """One step of a network's training; an auxiliary head counts 0.4."""

    def descend(step: Step) -> float:
        model.arena.grad.fill(0)
        logits = model.network.forward(model.images(batch.images), step)
        main = logits[0] if logits.ndim == 3 else logits
        loss, error = cross_entropy(main, batch.labels)
        step.top = error
        if logits.ndim == 3:
            second_loss, second = cross_entropy(logits[1], batch.labels)
            loss = loss + AUXILIARY * second_loss
            error = model.backend.xp.stack([error, (AUXILIARY * second).astype(error.dtype)])
        model.network.backward(error, step)
        return float(loss)

    return subject(model, descend)


def subject(model: Model, descend: Callable[[Step], float]) -> Subject:
    """descend(step) leaves -ΔW in the arena's gradient and returns the loss."""
    sgd = SGD(model.arena.value, MOMENTUM, DECAY, nesterov=True)
    updates = count()

    def step() -> dict[str, float]:
        loss = descend(Step(model.key.to("step"), next(updates)))
        norm = clip_norm(model.arena.grad, CLIP)
        sgd.step(model.arena.grad, RATE)
        return {"loss": loss, "gradient_norm": float(norm)}

    return Subject(step)
