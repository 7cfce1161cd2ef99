"""`bionas-cupy front`: accuracy against the bits that rules transport, and which layers need them."""

from pathlib import Path
from typing import Any

import click

from . import options


@click.command(short_help="Accuracy against transported bits, and which layers need them.")
@click.argument("runs", nargs=-1, required=True, type=options.FOLDER)
@click.option(
    "--keep",
    default="0.99,0.95",
    show_default=True,
    metavar="S,S",
    help="Shares of BP's accuracy to be kept with as few bits as can be.",
)
@click.option(
    "--out", type=options.FOLDER, metavar="DIR", help="Folder for front.json, and keep-S.json: genotypes."
)
@click.option("--pictures", is_flag=True, help="Also SVG and PNG in --out.")
@options.as_json
def front(runs: tuple[Path, ...], keep: str, out: Path | None, pictures: bool, as_json: bool) -> None:
    """Which assignments of rules no other one of RUNS beats in both accuracy and transported bits per weight.

    RUNS are searches that trained their candidates, by validation accuracy, or trainings of genotypes, by test
    accuracy; the same assignment in several of them is one point with so many seeds.
    """
    from ..analysis.front import front_of
    from ..analysis.style import check_matplotlib
    from ..engine.atomic import output_errors, write_json
    from ..engine.errors import UsageError
    from . import front_result
    from .output import print_json

    try:
        shares = [float(part) for part in keep.split(",")]
    except ValueError:
        shares = []
    if not shares or not all(0 < share <= 1 for share in shares):
        raise UsageError(f'--keep "{keep}" cannot be read.', "Write shares of 1: 0.99,0.95.")
    if pictures and out is None:
        raise UsageError("--pictures need a folder.", "Add --out DIR.")
    if pictures:
        check_matplotlib()
    found = front_of(runs, shares)
    events: list[dict[str, Any]] = list(front_result.events(found))
    if as_json:
        for event in events:
            print_json(event)
    else:
        front_result.show(found)
    if out is not None:
        with output_errors(out):
            out.mkdir(parents=True, exist_ok=True)
        write_json(out / "front.json", {"front": events})
        for need in found.needs:
            if need.point.plain:
                write_json(out / f"keep-{need.share:g}.json", front_result.genotype(need))
        if pictures:
            from ..analysis.front_pictures import draw

            with output_errors(out):
                draw(found, out)
        if not as_json:
            print(f"\nWritten: {out}")
