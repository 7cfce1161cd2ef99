"""`bionas-cupy rules`: which learning rules there are, the equation card of one, and rules of your own."""

from pathlib import Path

import click

from . import options
from .groups import Commands


@click.group(cls=Commands, invoke_without_command=True)
@click.pass_context
def rules(context: click.Context) -> None:
    """List the learning rules, show one, or write and check your own."""
    if context.invoked_subcommand is None:
        context.invoke(list_rules, as_json=False)


@rules.command("list")
@options.as_json
def list_rules(as_json: bool) -> None:
    """Every rule: its equation, the bits per weight that it transports, what it reads."""
    from .output import print_json, print_table
    from .rule_cards import cards

    found = cards()
    if as_json:
        for each in found:
            print_json(each)
        return
    rows = [
        (c["name"], c["error"], "", "")
        if "error" in c
        else (
            c["name"],
            c["equation"].split(".  ")[0].removesuffix("."),
            f"{c['bits']:g}",
            ", ".join(c["reads"]),
        )
        for c in found
    ]
    print_table(["name", "equation", "bits", "reads"], rows)


@rules.command("show")
@click.argument("name", metavar="NAME|FILE.py")
@options.as_json
def show(name: str, as_json: bool) -> None:
    """The equation card of a rule: NAME, a specification such as qsf3 or usf(scale=1), or a file of your own."""
    from .output import print_json
    from .rule_cards import card, printed

    found = card(name)
    if as_json:
        print_json(found)
    else:
        click.echo(printed(found))


@rules.command("new")
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE.py")
def new(file: Path) -> None:
    """Write a rule that works as it is, to be changed. An existing file is left alone."""
    from .new_rule import new_rule

    name = new_rule(file)
    click.echo(f'{file} holds the rule "{name}". Open it and change its equation; then')
    for command in (f"rules check {file}", f"train lenet --rule {file}", f"search --rules usf,{file}"):
        click.echo(f"  bionas-cupy {command}")


@rules.command("check")
@click.argument("name", metavar="NAME|FILE.py")
@options.as_json
def check(name: str, as_json: bool) -> None:
    """Look whether a rule keeps its contract, and whether it learns.

    Shapes on every kind of layer, finite numbers, determinism, resume, precision, what it reads and transports;
    its angle to the exact gradient, a small training beside bp and beside no learning, its speed. Exit code 0 where
    the contract holds, 2 where it does not.
    """
    from ..analysis.rule_check import check_rule
    from .rule_report import report

    report(name, check_rule(name), as_json)


@rules.command("speed")
@click.argument("names", nargs=-1, metavar="[NAME|FILE.py]...")
@click.option("--network", default="lenet", help="mlp, lenet, resnet20 or resnet56.  [default: lenet]")
@click.option("--batch", type=click.IntRange(min=2), default=32, help="Images a step.  [default: 32]")
@click.option(
    "--rounds", type=click.IntRange(min=1), default=15, help="Steps of each, in turns.  [default: 15]"
)
@options.data_options
@options.as_json
def speed(
    names: tuple[str, ...], network: str, batch: int, rounds: int, as_json: bool, **given: str | int | None
) -> None:
    """The time of a training step by each rule (all, where none is named), over that of bp on the same network."""
    from ..analysis.rule_speed import speeds
    from .configuration import asked_for
    from .output import print_json, print_table

    settings = asked_for(None, {"model": network, "batch": batch, **given}, ())
    rows = []
    for each in speeds(names, settings, rounds):
        if as_json:
            print_json({"event": "speed", **each._asdict()})
        elif each.ratio is None:
            rows.append((each.rule, "-", "-", each.why))
        else:
            rows.append(
                (each.rule, f"{each.ratio:.2f}", f"{each.low:.2f} to {each.high:.2f}", f"{each.ms:.2f}")
            )
    if not as_json:
        print_table(["rule", "over bp", "quartiles", "ms a step"], rows)
