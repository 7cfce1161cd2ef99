"""`bionas-cupy trace`: one step as a ledger."""

from dataclasses import asdict
from typing import Any

import click

from . import options


@click.command(short_help="One step, followed from the loss to the data.")
@click.argument("subject", metavar="RUN|GENOTYPE.json|NAME")
@click.option("--rule", help="The rule of every layer; of a genotype, the rule of every searched edge.")
@options.rules_per_layer
@click.option("--numbers", metavar="LAYER", help="Print the arrays of this layer.")
@options.data_options
@click.option("--batch", type=int, help="Images of the step.  [default: 96]")
@options.device
@click.option("--seed", type=int, help="Every random number is a function of it.  [default: 0]")
@click.option("--set", "pairs", multiple=True, metavar="A.B=C", help="Any other setting of a training.")
@options.as_json
def trace(subject: str, numbers: str | None, pairs: tuple[str, ...], as_json: bool, **given: Any) -> None:
    """One step as a ledger: what arrives at each synapse, what it sends down, how it learns, from loss to data.

    Networks by name: inoue, krotov-hopfield, lenet, mlp, resnet20, resnet56, softhebb.
    """
    from ..analysis.ledger import trace as traced
    from ..analysis.subject import open_subject
    from . import configuration
    from .output import print_json
    from .trace_result import show

    found = traced(open_subject(subject, configuration.asked_for(None, given, pairs)), numbers)
    if not as_json:
        show(found)
        return
    for each in found.entries:
        print_json({"event": "synapse", **asdict(each)})
    if numbers:
        print_json({"event": "numbers", "layer": numbers} | {k: v.tolist() for k, v in found.arrays.items()})
