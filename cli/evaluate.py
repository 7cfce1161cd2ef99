"""`bionas-cupy evaluate`: test the network of a training again."""

from pathlib import Path

import click

from . import options


@click.command(short_help="Test the network of a training again.")
@click.argument("run", type=options.FOLDER)
@options.data_dir
@options.device
@options.as_json
def evaluate(run: Path, data_dir: str | None, device: str | None, as_json: bool) -> None:
    """Test the network that RUN trained, from its checkpoint."""
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
