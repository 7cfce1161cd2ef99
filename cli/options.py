"""The options that several commands share. One that is not given is None: the configuration decides."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

DEVICES = click.Choice(["auto", "cpu", "cuda"])
FOLDER = click.Path(path_type=Path)

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON Lines, one object a line.")
data_dir = click.option(
    "--data-dir",
    metavar="DIR",
    help="Folder of the data files, or one above it.  [default: a user data folder]",
)
rules_per_layer = click.option(
    "--rules-per-layer",
    "rules_file",
    type=FOLDER,
    metavar="FILE",
    help="TOML or JSON: layer name pattern = rule; the last pattern that matches a layer counts.",
)
device = click.option("--device", type=DEVICES, help="Where to compute.  [default: auto]")

graph = click.option(
    "--graph",
    is_flag=True,
    default=None,
    help="On CUDA, record a step once as a graph and launch it from then on: the same bits.",
)


def data_options(command: F) -> F:
    """--data, --data-dir, --subset."""
    return _all(
        command,
        click.option(
            "--data",
            metavar="NAME|DIR",
            help="digits (embedded), mnist, fashion-mnist, cifar10, cifar100, imagenet16, "
            "or a folder of class folders.  [default: digits]",
        ),
        data_dir,
        click.option(
            "--subset", type=int, metavar="N", help="Only N training images, the classes as equal as can be."
        ),
    )


def training_options(command: F) -> F:
    """--epochs, --batch, --lr."""
    return _all(
        command,
        click.option("--epochs", type=int, help="Passes over the images.  [default: 10]"),
        click.option("--batch", type=int, help="Images a step.  [default: 96]"),
        click.option("--lr", type=float, help="Learning rate at the start.  [default: 0.025]"),
    )


def run_options(command: F) -> F:
    """--device, --seed, --out, --resume, --accept-changed-rules, --set, --json, -q."""
    return _all(
        command,
        device,
        click.option("--seed", type=int, help="Every random number is a function of it.  [default: 0]"),
        click.option(
            "--out", type=FOLDER, metavar="DIR", help="Folder of the run.  [default: a new one in runs/]"
        ),
        click.option("--resume", type=FOLDER, metavar="DIR", help="Go on with a run that was stopped."),
        click.option(
            "--accept-changed-rules",
            is_flag=True,
            help="With --resume: go on although the file of a rule has changed; the manifest says so.",
        ),
        click.option(
            "--set",
            "pairs",
            multiple=True,
            metavar="A.B=C",
            help="Any other setting, as in run.toml. Repeatable.",
        ),
        as_json,
        click.option("-q", "--quiet", is_flag=True, help="No progress on stderr."),
    )


def _all(command: F, *options: Callable[[F], F]) -> F:
    for option in reversed(options):
        command = option(command)
    return command
