"""`bionas-cupy bench`: how fast this machine takes the steps of searches and trainings."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click

from . import options

if TYPE_CHECKING:
    from ..benchmarks.bench import Result
    from ..benchmarks.rows import Row


@click.command(short_help="Time the steps of searches and trainings.")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--against", type=click.Choice(["torch"]), help="Take each step by PyTorch too, in turns.")
@click.option("--threads", type=click.IntRange(1), help="Of both sides.  [default: as NUMBA_NUM_THREADS]")
@click.option(
    "--rounds", type=click.IntRange(1), default=5, show_default=True, help="Idle rounds, one median."
)
@options.as_json
def bench(
    names: tuple[str, ...], against: str | None, threads: int | None, rounds: int, as_json: bool
) -> None:
    """Time every row, or those of NAME: medians over rounds in which the machine was left alone.

    Without --against a row has a peer only where it compares two ways of this package.
    """
    from ..benchmarks.against import require_torch
    from ..benchmarks.bench import bench as measured
    from ..benchmarks.rows import chosen
    from ..engine.kernels.threads import get_threads
    from .bench_table import print_rows

    found, torch, count = chosen(names), against == "torch", threads or get_threads()
    if torch:
        require_torch()
    print_rows(results(found, lambda row: measured(row, torch, count, rounds, say)), as_json)


def say(what: str) -> None:
    """On stderr, below the name of the row."""
    click.echo(f"  {what}", err=True)


def results(rows: "list[Row]", measure: "Callable[[Row], Iterator[Result]]") -> "Iterator[Result]":
    """Row by row; the one at work is named on stderr."""
    for row in rows:
        click.echo(f"{row.name}: {row.about}", err=True)
        yield from measure(row)
