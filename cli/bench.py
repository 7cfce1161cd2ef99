"""`bionas-cupy bench`: how fast this machine takes the steps of searches and trainings."""

import click

from . import options


@click.command(short_help="Time the steps of searches and trainings.")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--threads", type=click.IntRange(1), help="Of both sides.  [default: as NUMBA_NUM_THREADS]")
@click.option(
    "--rounds", type=click.IntRange(1), default=5, show_default=True, help="Idle rounds, one median."
)
@options.as_json
def bench(names: tuple[str, ...], threads: int | None, rounds: int, as_json: bool) -> None:
    """Time every row, or those of NAME: medians over rounds in which the machine was left alone.

    A row has a peer where it compares two ways of this package.
    """
    from ..benchmarks.bench import bench as measured
    from ..benchmarks.rows import chosen
    from ..engine.kernels.threads import get_threads
    from .bench_table import print_rows

    rows = chosen(names)
    print_rows((measured(row, threads or get_threads(), rounds) for row in rows), as_json)
