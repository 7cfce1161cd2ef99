"""`bionas-cupy compare`: finished runs over their seeds, paired."""

from pathlib import Path
from typing import Any

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
    from ..analysis.comparison import groups_of, paired, read_run
    from ..search.intervals import Interval, interval
    from .output import print_json, print_table, print_text

    def shown(found: Interval, sign: str = "") -> str:
        half = "" if found.half is None else f" ± {found.half:.3f}"
        return f"{found.mean:{sign}.3f}{half}"

    groups = groups_of([read_run(path, measure) for path in runs], ignore)
    rows, events = [], []
    for group in groups:
        own, pairs = interval(list(group.values.values())), paired(group, groups[0])
        row = [group.label, str(own.n), shown(own)]
        event: dict[str, Any] = {"event": "group", "label": group.label}
        event |= {"measure": measure, "mean": own.mean, "interval": own.half, "values": group.values}
        if group is groups[0] or pairs is None:
            row += ["", "", "" if group is groups[0] else "no seed in common"]
        else:
            d = pairs.difference
            row += [shown(d, "+"), f"{pairs.better}, {pairs.worse}"]
            told = "one seed" if d.half is None else "tie" if d.tie else ""
            row.append(told + (f" p = {pairs.p:.2g}" if pairs.p is not None else ""))
            event |= {"difference": d.mean, "difference_interval": d.half, "pairs": d.n, "tie": d.tie}
            event |= {"better": pairs.better, "worse": pairs.worse, "wilcoxon_p": pairs.p}
        rows.append(row)
        events.append(event)
    if as_json:
        for event in events:
            print_json(event)
        return
    print_table(["settings", "seeds", measure, "less the first", "better, worse", ""], rows)
    print_text(
        "± is half of a 95 % interval over seeds (Student's t); differences are paired by seed, a tie is one whose "
        "interval covers 0, p is Wilcoxon's (six pairs or more), for each comparison by itself."
    )
