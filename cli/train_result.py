"""What a training reached, for people and for programs."""

import math
import shlex
from pathlib import Path
from typing import Any

from ..engine.run_folder import RunFolder
from ..engine.words import several
from .output import print_json, print_table, print_text, share

Z = 1.96  # of a 95 % interval
WHY = "Why believe it: the test images were looked at once, after the last epoch; nothing was chosen on them."


def show(folder: Path, as_json: bool) -> None:
    """The result.json of a finished run."""
    result = RunFolder(folder).read("result.json")
    if as_json:
        print_json({"event": "result", "path": str(folder / "result.json"), **result})
        return
    print_table(
        ["", ""],
        [
            ("network", str(result["model"])),
            (
                "data",
                f"{result['data']}, {result['train_images']} training images, {epochs(result)}",
            ),
            ("weights", str(result["parameters"])),
            ("share of weights", ", ".join(f"{r} {share(s)}" for r, s in result["weights_per_rule"].items())),
            ("sent down", ", ".join(f"{r} {what}" for r, what in result.get("sends", {}).items())),
            ("transported bits per weight", f"{result['transported_bits']:.2f}"),
            ("test loss", f"{result['test_loss']:.4f}"),
            ("test accuracy", accuracy(result)),
        ],
    )
    print(f"Result: {folder / 'result.json'}\n")
    print_text(WHY)
    print(f"\nNext: {shlex.join(['bionas-cupy', 'evaluate', str(folder)])}")


def epochs(result: dict[str, Any]) -> str:
    """Of a layerwise training, those of each hidden layer and those of the read-out."""
    if "readout_epochs" not in result:
        return several(result["epochs"], "epoch")
    return f"{several(result['epochs'], 'epoch')} a hidden layer, {result['readout_epochs']} of the read-out"


def accuracy(result: dict[str, Any]) -> str:
    """With Wilson's 95 % interval: how far another draw of as many test images may lie."""
    low, high = wilson(result["test_accuracy"] / 100, result["test_images"])
    found = f"{result['test_accuracy']:.2f} % of {result['test_images']} images"
    return f"{found} (95 % interval {100 * low:.1f} to {100 * high:.1f})"


def wilson(p: float, n: int) -> tuple[float, float]:
    """The interval of a share p of n (Wilson 1927)."""
    centre = (p + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z / (1 + Z * Z / n) * math.sqrt(p * (1 - p) / n + Z * Z / (4 * n * n))
    return centre - half, centre + half
