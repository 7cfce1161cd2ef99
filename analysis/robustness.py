"""`bionas-cupy evaluate --attack`: the accuracy of a trained network on adversarial test images."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..engine.kernels.threads import one_blas_thread
from ..engine.random import Key
from ..search.attacks import Attack, accuracy_under
from ..search.evaluate import trained


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
