"""`bionas-cupy search`: from images to a genotype."""

from pathlib import Path
from typing import Any

import click

from . import options


@click.command(short_help="Choose an operation and a rule for every edge.")
@click.argument("config_file", required=False, type=click.Path(path_type=Path), metavar="[CONFIG.toml]")
@options.data_options
@click.option(
    "--strategy",
    type=click.Choice(["darts", "random", "evolution", "ga", "eg", "halving"]),
    help="How to search. darts and eg search a supernet, by gradient and by evolution; random, evolution, ga and "
    "halving train their candidates, or score them untrained (--set trials.scores=[...]). All but darts may look them "
    "up in a --table.  [default: darts]",
)
@click.option(
    "--table",
    metavar="FILE",
    help="Known accuracies of NAS-Bench-201's cells, CSV (.gz, .xz): search in it, with --space nasbench201.",
)
@click.option(
    "--evaluations",
    type=int,
    help="What a search may spend: so many trainings of --epochs, scores of untrained networks, or cells of a table.  "
    "[default: 16; 100; 200]",
)
@click.option(
    "--genotype",
    metavar="FILE|RUN",
    help="Keep the operations of this genotype, and choose a rule for each of its edges.",
)
@click.option(
    "--workers", type=int, metavar="N", help="Processes that train candidates.  [default: one a processor]"
)
@click.option(
    "--executor",
    type=click.Choice(["processes", "dask"]),
    help="Who trains candidates: this machine, or the workers of a Dask scheduler.  [default: processes]",
)
@click.option("--scheduler", metavar="ADDRESS", help="Of dask: tcp://127.0.0.1:8786, or tls://HOST:PORT.")
@click.option(
    "--alpha",
    type=click.Choice(["first", "second", "lookahead"]),
    help="Gradient of the architecture weights.  [default: first]",
)
@click.option(
    "--weights",
    type=click.Choice(["own", "shared"]),
    help="Each (operation, rule) has weights of its own, or an operation's rules share them.  [default: own]",
)
@click.option(
    "--partial",
    type=int,
    metavar="K",
    help="Only 1/K of the channels pass the mixed operations (PC-DARTS).  [default: 1]",
)
@click.option("--price", type=float, help="Loss, or error, per transported bit per weight.  [default: 0]")
@click.option(
    "--rules",
    metavar="A,B,C",
    help="The rules to choose from; FILE.py or FILE.py:CLASS is your own.  [default: fa,usf,brsf,frsf]",
)
@click.option(
    "--space",
    type=click.Choice(["default", "paper", "hl-pc", "nasbench201"]),
    help="Every operation with every rule, the published 22 candidates, with Hebbian and predictive convolutions, "
    "or the cells of NAS-Bench-201.  [default: default]",
)
@click.option(
    "--preset",
    type=click.Choice(["smoke", "small", "paper"]),
    help="Size of search and network.  [default: smoke]",
)
@click.option(
    "--epochs",
    type=int,
    help="Passes; in the first 30 % the architecture rests (but not in paper). Of each candidate, where they are "
    "trained.",
)
@click.option("--batch", type=int, help="Images a step.")
@options.graph
@options.run_options
def search(
    config_file: Path | None,
    pairs: tuple[str, ...],
    out: Path | None,
    resume: Path | None,
    accept_changed_rules: bool,
    as_json: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Choose an operation and a learning rule for every edge of two cells.

    CONFIG.toml sets what no option sets (see run.toml of any run). With no option at all it runs on embedded
    images, ends within a minute, and prints a table of edges; the genotype lies in the run's folder. With --strategy
    random, evolution, ga or halving each candidate is a network that is trained, which is what ranks rules best; with
    --table known accuracies are looked up, in seconds.
    """
    from ..engine.stopping import Stopping
    from ..search.config import SearchConfig
    from ..search.search_run import run_search, start
    from . import configuration, search_result, table_result, trials_result
    from .progress import progress, saving
    from .runs import opened_run

    if config_file and config_file.suffix == ".py":
        raise click.UsageError(
            f'"{config_file}" is a rule\'s file, no configuration: write --rules a,b,{config_file} without spaces.'
        )
    check_table_options(given)
    asked = configuration.asked_for(config_file, given, pairs)
    run = opened_run(SearchConfig, asked, configuration.search_config, start, out, resume)
    with run as (config, folder, unfinished):
        if unfinished:
            with Stopping(None if quiet else saving) as stopping, progress(quiet, as_json) as report:
                run_search(config, folder, stopping, report, accept_changed_rules)
        if config.on_supernet:
            search_result.show(search_result.read_back(config, folder), as_json)
        elif config.trains:
            trials_result.show(config, folder.path, as_json)
        else:
            table_result.show(folder.path, as_json)


def check_table_options(given: dict[str, Any]) -> None:
    """What a search in a table would pass over is refused."""
    of_trainings = ("data", "data_dir", "subset", "epochs", "batch", "preset")
    passed_over = [f"--{name.replace('_', '-')}" for name in of_trainings if given[name] is not None]
    if given["table"] is not None and passed_over:
        raise click.UsageError(
            f"{', '.join(passed_over)} with --table, which holds results of trainings that are done: leave it out."
        )
