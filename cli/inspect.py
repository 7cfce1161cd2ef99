"""`bionas-cupy inspect`: what every layer is told, beside the exact gradient."""

from functools import partial
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from . import options
from .sizes import size


@click.command(short_help="What every layer is told, beside the exact gradient.")
@click.argument("subject", required=False, metavar="RUN|GENOTYPE.json|NAME")
@click.option("--rule", help="The rule of every layer; of a genotype, the rule of every searched edge.")
@options.rules_per_layer
@click.option("--layers", multiple=True, metavar="PATTERN", help="Only layers named like this. Repeatable.")
@click.option("--steps", type=click.IntRange(min=1), default=10, help="Steps to train.  [default: 10]")
@click.option(
    "--every", type=click.IntRange(min=1), default=1, help="Record every N-th of them.  [default: 1]"
)
@options.data_options
@click.option("--batch", type=int, help="Images a step.  [default: 96]")
@options.device
@click.option("--seed", type=int, help="Every random number is a function of it.  [default: 0]")
@click.option("--set", "pairs", multiple=True, metavar="A.B=C", help="Any other setting of a training.")
@click.option(
    "--out", type=options.FOLDER, metavar="DIR", help="New folder for signals.h5 and inspection.json."
)
@click.option("--budget", type=size, help="With --out: bytes that signals.h5 may take.  [default: 500MB]")
@click.option("--pictures", is_flag=True, help="Draw pictures, SVG and PNG, in --out.")
@click.option("--compare", nargs=2, metavar="A B", help="Two subjects, or folders of --out, side by side.")
@click.option("--by-rule", is_flag=True, help="With --json: an object a rule too, means over its synapses.")
@options.as_json
@click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
def inspect(
    subject: str | None,
    layers: tuple[str, ...],
    steps: int,
    every: int,
    pairs: tuple[str, ...],
    out: Path | None,
    budget: int | None,
    pictures: bool,
    compare: tuple[str, str] | None,
    by_rule: bool,
    as_json: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Train for a few steps and print, for every synapse, how what it is told relates to the exact gradient.

    A run goes on from its checkpoint and is left as it is; a genotype or a network starts from its initial weights; a
    folder of --out, or a signals.h5, is read.
    Networks by name: inoue, krotov-hopfield, lenet, mlp, resnet20, resnet56, softhebb.
    """
    from ..analysis.calls import BUDGET
    from ..analysis.subject import check_name
    from . import configuration, inspect_result
    from .watching import is_recording, not_begun, seen_of

    if (subject is None) == (compare is None):
        raise click.UsageError("Name one thing to inspect, or two with --compare.")
    if budget is not None and (out is None or compare):
        raise click.UsageError("--budget is that of a new recording: add --out DIR, leave out --compare.")
    if by_rule and (compare or not as_json):
        raise click.UsageError("--by-rule is of --json and one subject; the terminal shows the rules anyway.")
    if pictures:
        inspect_result.check_pictures(out, compare is not None)
    settings = configuration.asked_for(None, given, pairs)
    see = partial(seen_of, settings=settings, steps=steps, every=every, layers=layers or ("*",), quiet=quiet)
    if compare:
        check_name(compare[1])  # before the first one is trained
        a = see(compare[0])
        b = not_begun(compare[1]) if a.stopped else see(compare[1])
        inspect_result.show_two(a.course, b.course, as_json=as_json)
        return
    if is_recording(str(subject)):
        _check_reading(str(subject), pictures)
    course, cells, signals, _ = see(str(subject), out=out, budget=BUDGET if budget is None else budget)
    inspect_result.show(course, as_json, by_rule)
    if signals:
        inspect_result.show_file(signals, as_json)
    if pictures and out:
        inspect_result.draw(course, cells, out, as_json)


def _check_reading(recording: str, pictures: bool) -> None:
    """Raises UsageError for options that a recording, which is read, would pass over."""
    from ..engine.errors import UsageError

    context, of_training = (
        click.get_current_context(),
        ["steps", "every", "budget"] + ["out"] * (not pictures),
    )
    given = [f"--{n}" for n in of_training if context.get_parameter_source(n) is ParameterSource.COMMANDLINE]
    if given:
        raise UsageError(
            f'"{recording}" is a recording: {", ".join(given)} cannot be given beside it.',
            "It is read as it is: choose --layers, or draw --pictures in --out.",
        )
