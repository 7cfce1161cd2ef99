"""`bionas-cupy rules`: which learning rules there are, and the equation card of one."""

import click

from . import options
from .groups import Commands


@click.group(cls=Commands, invoke_without_command=True)
@click.pass_context
def rules(context: click.Context) -> None:
    """List the learning rules, or show one."""
    if context.invoked_subcommand is None:
        context.invoke(list_rules, as_json=False)


@rules.command("list")
@options.as_json
def list_rules(as_json: bool) -> None:
    """Every rule: its equation, the bits per weight that it transports, what it reads."""
    from ..engine.registry import registered
    from .output import print_json, print_table
    from .rule_cards import card

    cards = [card(name) for name in registered()]
    if as_json:
        for each in cards:
            print_json(each)
        return
    rows = [
        (c["name"], c["equation"].split(".  ")[0], f"{c['bits']:g}", ", ".join(c["reads"])) for c in cards
    ]
    print_table(["name", "equation", "bits", "reads"], rows)


@rules.command("show")
@click.argument("name")
@options.as_json
def show(name: str, as_json: bool) -> None:
    """The equation card of a rule: NAME, or a specification such as qsf3 or usf(scale=1)."""
    from .output import print_json
    from .rule_cards import card, printed

    found = card(name)
    if as_json:
        print_json(found)
    else:
        click.echo(printed(found))
