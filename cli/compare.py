"""`bionas-cupy compare`: finished runs over their seeds, paired."""

from pathlib import Path

import click

from . import options


@click.command(short_help="Compare finished runs over their seeds.")
@click.argument("runs", nargs=-1, required=True, type=options.FOLDER)
@click.option(
    "--of", "measure", default="test_accuracy", show_default=True, help="Which number of the result."
)
@click.option(
    "--ignore", multiple=True, metavar="A.B", help="A setting that may differ within a group. Repeatable."
)
@options.as_json
def compare(runs: tuple[Path, ...], measure: str, ignore: tuple[str, ...], as_json: bool) -> None:
    """Means with 95 % intervals of RUNS that differ in their seeds alone, and paired differences to the first group.

    RUNS are folders of finished trainings or searches; the order in which they are named is that of the groups.
    """
    from ..analysis.comparison import groups_of, read_run
    from .groups_result import show

    show(groups_of([read_run(path, measure) for path in runs], ignore), measure, as_json)
