"""`bionas-cupy evaluate --attack`: the accuracy of a trained network on adversarial test images."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..data.dataset import Images
from ..engine.errors import UsageError
from ..engine.kernels.threads import one_blas_thread
from ..engine.loss import correct
from ..engine.random import Key
from ..layers.model import Model
from ..search.evaluate import trained
from ..search.training import logits_of
from .attacks import Attack, gradient_of

BATCH = 250


def attack_run(
    path: Path,
    attacks: Sequence[Attack],
    count: int | None = None,
    data_dir: str | None = None,
    device: str = "auto",
) -> Iterator[dict[str, Any]]:
    """For each attack {"attack", "epsilon", "test_accuracy" (%), "test_images"}, as soon as it is known.

    count: of the test images, the classes as equal as can be, the same ones whatever the run. Raises as
    search.evaluate.trained.
    """
    model, images, _ = trained(path, data_dir, device)
    chosen = images if count is None else images.subset(count, Key(0, "attacked"))
    for attack in attacks:
        with one_blas_thread():
            accuracy = accuracy_under(attack, model, chosen)
        told = {"step": attack.step, "steps": attack.steps} if attack.name == "pgd" else {}
        yield {
            "attack": attack.name,
            "epsilon": attack.epsilon,
            **told,
            "test_accuracy": accuracy,
            "test_images": len(chosen),
        }


def accuracy_under(attack: Attack, model: Model, images: Images) -> float:
    """% of the images that are still classified rightly once they are moved; ε = 0 leaves them as they are."""
    if attack.epsilon < 0 or attack.step <= 0 or attack.steps < 1:
        raise UsageError(
            f"attack {attack.name}: epsilon is {attack.epsilon:g}, step {attack.step:g}, steps {attack.steps}; "
            "expected 0 or more, above 0, and 1 or more."
        )
    gradient, hits = gradient_of(model), 0
    for start in range(0, len(images), BATCH):
        rows = images.take(np.arange(start, min(start + BATCH, len(images))))
        x = model.backend.asarray(np.divide(rows.images, 255, dtype=np.float32))
        labels = model.backend.asarray(rows.labels)
        if attack.epsilon:
            x = attack(gradient, x, labels, model.key.to("attack", index=start))
        hits += int(correct(logits_of(model, x), labels))
    return 100 * hits / len(images)
