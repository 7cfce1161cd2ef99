"""`bionas-cupy evaluate`: test the network of a training again, as the images are or under attack."""

from pathlib import Path
from typing import Any

import click

from . import options

EPSILONS = "0,0.05,0.1,0.2,0.3"


@click.command(short_help="Test the network of a training again.")
@click.argument("run", type=options.FOLDER)
@click.option(
    "--attack", type=click.Choice(["fgsm", "pgd"]), help="Move each test image to where the network errs."
)
@click.option("--epsilon", metavar="E,E,...", help=f"How far, of pixels in [0, 1].  [default: {EPSILONS}]")
@click.option("--step", type=float, default=0.01, show_default=True, help="Of pgd, at a time.")
@click.option("--steps", type=int, default=40, show_default=True, help="Of pgd.")
@click.option("--images", type=int, metavar="N", help="Attack only N test images.  [default: all]")
@options.data_dir
@options.device
@options.as_json
def evaluate(
    run: Path,
    attack: str | None,
    epsilon: str | None,
    step: float,
    steps: int,
    images: int | None,
    data_dir: str | None,
    device: str | None,
    as_json: bool,
) -> None:
    """Test the network that RUN trained, from its checkpoint.

    An attack follows the exact gradient of the loss, whatever the rules that RUN learned by.
    """
    if attack is None:
        if epsilon is not None or images is not None:
            raise click.UsageError("--epsilon and --images are an attack's: add --attack fgsm or pgd.")
        _as_they_are(run, data_dir, device, as_json)
        return
    from ..analysis.robustness import attack_run
    from ..search.attacks import Attack

    attacks = [
        Attack(attack, each, step, steps) for each in distances(EPSILONS if epsilon is None else epsilon)
    ]
    _show(attack_run(run, attacks, images, data_dir, device or "auto"), run, as_json)


def distances(text: str) -> list[float]:
    """[0.1, 0.3] of "0.1,0.3"."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise click.UsageError(f'--epsilon "{text}" cannot be read. Write 0.1,0.2,0.3.') from None


def _as_they_are(run: Path, data_dir: str | None, device: str | None, as_json: bool) -> None:
    from ..search.evaluate import evaluate_run
    from .output import print_json, print_table
    from .train_result import accuracy

    found = evaluate_run(run, data_dir, device or "auto")
    if as_json:
        print_json({"event": "evaluation", **found})
        return
    rows = [
        ("run", str(run)),
        ("epochs trained", str(found["epoch"])),
        ("test loss", f"{found['test_loss']:.4f}"),
        ("test accuracy", accuracy(found)),
    ]
    print_table(["", ""], rows)


def _show(found: Any, run: Path, as_json: bool) -> None:
    from .output import print_json, print_table
    from .train_result import accuracy

    rows = []
    for each in found:
        if as_json:
            print_json({"event": "attack", "run": str(run), **each})
        rows.append((each["attack"], f"{each['epsilon']:g}", accuracy(each)))
    if not as_json:
        print_table(["attack", "epsilon", "test accuracy"], rows)
