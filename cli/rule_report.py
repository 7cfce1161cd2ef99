"""What `bionas-cupy rules check` prints: a line a finding, its cure below it, and the sum."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from ..engine.errors import UsageError
from .output import print_json

if TYPE_CHECKING:
    from ..analysis.finding import Finding

COLOURS = {"pass": "green", "warn": "yellow", "fail": "red", "skip": "yellow"}


def report(spec: str, findings: Iterable["Finding"], as_json: bool) -> None:
    """Each finding as soon as it is known. Raises UsageError where one failed."""
    found = []
    for each in findings:
        found.append(each)
        if as_json:
            print_json(asdict(each))
        else:
            show(each)
    failed = [each.check for each in found if each.status == "fail"]
    if failed:
        raise UsageError(f'rule "{spec}" breaks its contract: {", ".join(failed)}.', "The report says how.")
    if not as_json:
        warned = sum(each.status == "warn" for each in found)
        click.echo(f"\nThe contract holds{f', with {warned} to look at' if warned else ''}.")


def show(found: "Finding") -> None:
    status = click.style(found.status, fg=COLOURS[found.status])
    click.echo(f"{status}  {found.check:<14} {found.text}")
    if found.cure:
        click.echo(f"{'':<20} {found.cure}")
