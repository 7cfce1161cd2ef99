"""`bionas-cupy baselines`: a found genotype beside what it has to be compared with, over several seeds."""

from pathlib import Path
from typing import Any

import click

from . import options


@click.command(short_help="Train a genotype beside its controls, over several seeds.")
@click.argument("genotypes", nargs=-1, required=True, metavar="GENOTYPE.json|RUN...")
@click.option(
    "--rules",
    metavar="A,B,C",
    help="Those of single-rule and random assignments.  [default: bp, and those of the search]",
)
@click.option("--seeds", type=click.IntRange(1), default=5, show_default=True, help="Trainings of each row.")
@options.data_options
@options.training_options
@click.option("--channels", type=int, help="Width of the first cell.  [default: 16]")
@click.option("--cells", type=int, help="Cells of the network.  [default: 8]")
@options.device
@click.option(
    "--out", type=options.FOLDER, metavar="DIR", help="Folder of all runs; one that is begun goes on."
)
@click.option("--workers", type=click.IntRange(1), help="Trainings at once.  [default: one a processor]")
@click.option(
    "--set", "pairs", multiple=True, metavar="A.B=C", help="Any other setting of a training. Repeatable."
)
@options.as_json
@click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
def baselines(
    genotypes: tuple[str, ...],
    rules: str | None,
    seeds: int,
    out: Path | None,
    workers: int | None,
    pairs: tuple[str, ...],
    as_json: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Train the first GENOTYPE as it was found, by each single rule, by rules drawn at random, by BP on the top alone,
    and with a frozen body, and the others as they were found; test each once, and compare them over seeds, paired.

    Each training is a run of its own in --out. The same command goes on where it was stopped.
    """
    import os

    from ..engine.registry import split_rules
    from ..engine.run_names import claim_run_path
    from ..engine.stopping import Stopping
    from ..search.baselines import baselines as rows_of
    from ..search.baselines import usual_rules
    from ..search.genotype import read_genotype
    from ..search.many_trainings import train_all
    from . import configuration
    from .baselines_run import prepared, progress, row_name, show

    found, *others = map(read_genotype, genotypes)
    names = [row_name(each) for each in genotypes[1:]]
    if len(set(names)) < len(names):
        raise click.UsageError(
            f"Two of these genotypes have one name: {', '.join(names)}. Rename a file or folder."
        )
    asked = configuration.asked_for(None, given, pairs)
    cells = given["cells"]
    chosen = split_rules(rules) if rules else usual_rules(found)
    wanted = rows_of(found, chosen, range(seeds), cells, dict(zip(names, others, strict=True)))
    folder = out or claim_run_path("baselines")
    runs = prepared(wanted, asked, folder)
    with Stopping() as stopping:
        train_all(runs, workers or os.cpu_count() or 1, stopping, progress(len(runs), quiet))
    show(wanted, runs, as_json)
