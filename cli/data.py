"""`bionas-cupy data`: which data sets are there, whole, and the official ones."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import options
from .groups import Commands

if TYPE_CHECKING:
    from ..data.check import Finding


@click.group(cls=Commands, invoke_without_command=True)
@click.pass_context
def data(context: click.Context) -> None:
    """List the data sets, or check one."""
    if context.invoked_subcommand is None:
        context.invoke(list_data, data_dir=None, as_json=False)


@data.command("list")
@options.data_dir
@options.as_json
def list_data(data_dir: str | None, as_json: bool) -> None:
    """Which data sets are there, without reading their images."""
    from ..data.check import find
    from ..data.locate import default_data_dir
    from .output import print_json, print_table, print_text

    found = find(Path(data_dir) if data_dir else None)
    if as_json:
        for each in found:
            print_json(plain(each))
        return
    print_table(
        ["data", "status", "form", "folder"], [(f.name, f.status, f.form, str(f.path or "")) for f in found]
    )
    if data_dir is None:
        print_text(f"Looked in {default_data_dir()}; name another folder with --data-dir.")


@data.command("check")
@click.argument("name")
@options.data_dir
@options.as_json
def check(name: str, data_dir: str | None, as_json: bool) -> None:
    """Read every image of NAME (a data set or a folder) and compare with the official ones."""
    from ..data.check import inspect
    from ..engine.errors import DataError
    from .output import print_json, print_table

    found = inspect(name, Path(data_dir) if data_dir else None)
    if as_json:
        print_json(plain(found))
    elif found.status == "whole":
        print_table(["", ""], rows(found))
    if found.status in ("missing", "broken"):
        raise DataError(found.note)


def plain(found: "Finding") -> dict[str, Any]:
    return asdict(found) | {"path": str(found.path) if found.path else None}


def rows(found: "Finding") -> list[tuple[str, str]]:
    official = {True: "yes", False: f"no. {found.note}", None: "nothing is known to compare with"}
    return [
        ("data", found.name),
        ("form", found.form),
        ("folder", str(found.path or "")),
        ("images", f"{found.train} training, {found.test} test"),
        ("classes", str(found.classes)),
        ("size", " × ".join(map(str, found.shape))),
        ("SHA-256", "\n".join(found.digests)),
        ("official", official[found.official]),
    ]
