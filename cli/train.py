"""`bionas-cupy train`: a network of a genotype, or one by name, trained by its rules and tested once."""

from pathlib import Path
from typing import Any

import click

from . import options


@click.command(short_help="Train and test a genotype, or a network by name.")
@click.argument("model", required=False, metavar="GENOTYPE.json|RUN|NAME")
@click.option(
    "--rule", help="The rule of every layer; of a genotype, of every searched edge. FILE.py for your own."
)
@options.rules_per_layer
@click.option(
    "--hidden", metavar="N,N,...", help="Widths of the hidden layers of linear networks; 2000x10 is ten."
)
@click.option(
    "--constraint", help="What the weights of every layer obey: nonneg, dale, sparse(keep=0.1), ..."
)
@click.option(
    "--readout", metavar="RULE", help="The last layer's rule in a training by stages: bp, inoue_output."
)
@options.data_options
@click.option("--shots", type=int, metavar="K", help="Only K training images of each class.")
@options.training_options
@click.option("--channels", type=int, help="Width of a genotype's first cell.  [default: 16]")
@click.option("--cells", type=int, help="Cells of a genotype's network.  [default: 8]")
@options.graph
@options.run_options
def train(
    pairs: tuple[str, ...],
    out: Path | None,
    resume: Path | None,
    accept_changed_rules: bool,
    as_json: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Train a network by its learning rules, and test it once, after the last epoch.

    The network: a genotype, the folder of the search that found one, or a known network by its name: inoue,
    krotov-hopfield, lenet, mlp, resnet20, resnet56, softhebb.
    """
    from ..engine.stopping import Stopping
    from ..search.config import TrainConfig
    from ..search.known import train_config
    from ..search.train_run import run_train, start
    from . import configuration, train_result
    from .progress import progress, saving
    from .runs import opened_run

    if not resume and given["model"] is None:
        raise click.UsageError(
            "Name what to train: a genotype, a run, inoue, krotov-hopfield, lenet, mlp, resnet20, resnet56 or softhebb."
        )
    given["hidden"] = configuration.widths(given["hidden"])
    asked = configuration.asked_for(None, given, pairs)
    run = opened_run(TrainConfig, asked, train_config, start, out, resume)
    with run as (config, folder, unfinished):
        if unfinished:
            with Stopping(None if quiet else saving) as stopping, progress(quiet, as_json) as report:
                run_train(config, folder, stopping, report, accept_changed_rules)
        train_result.show(folder.path, as_json)
