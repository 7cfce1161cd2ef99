"""The runs of a comparison with baselines: their folders, their progress, and the table that they end in."""

import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path

from ..analysis.comparison import Group
from ..engine.atomic import output_errors
from ..engine.errors import DivergedError
from ..engine.run_folder import RunFolder
from ..search.baselines import Baseline
from ..search.known import train_config
from ..search.many_trainings import prepare, written
from ..search.tree import Tree, merge
from .groups_result import show as show_groups
from .output import print_text


def row_name(genotype: str) -> str:
    """runs/ga-1 is ga-1, found/ga.json is ga."""
    path = Path(genotype)
    return path.stem if path.suffix == ".json" else path.absolute().name


def prepared(wanted: Sequence[Baseline], asked: Tree, folder: Path) -> list[Path]:
    """A run for each, with its genotype beside it. Raises UsageError where a run there has other settings."""
    with output_errors(folder):
        (folder / "genotypes").mkdir(parents=True, exist_ok=True)
    runs = []
    for one in wanted:
        file = folder.absolute() / "genotypes" / f"{one.name}.json"
        genotype = written(one.genotype, file)
        own = {"model": str(file), "seed": one.seed, **one.settings}
        prepare(train_config(merge(asked, own)), genotype, folder / one.name)
        runs.append(folder / one.name)
    return runs


def progress(total: int, quiet: bool) -> Callable[[Path, str], None]:
    """A line for each training that this process has seen to its end."""
    done = count(1)

    def report(path: Path, what: str) -> None:
        number = next(done)
        if not quiet:
            with suppress(OSError):
                print(f"{path.name} {what} ({number}, of {total} in all)", file=sys.stderr, flush=True)

    return report


def show(wanted: Sequence[Baseline], runs: Sequence[Path], as_json: bool) -> None:
    """A row for each kind, over its seeds. Raises DivergedError where the genotype itself never came to an end."""
    values: dict[str, dict[int, float]] = {one.row: {} for one in wanted}
    bits: dict[str, list[float]] = {one.row: [] for one in wanted}
    lost = []
    for one, path in zip(wanted, runs, strict=True):
        if not (path / "result.json").is_file():
            lost.append(one.name)
            continue
        result = RunFolder(path).read("result.json")
        values[one.row][one.seed] = float(result["test_accuracy"])
        bits[one.row].append(float(result["transported_bits"]))
    if not values["found"]:
        raise DivergedError("The found genotype diverged with every seed.", "Use a lower --lr.")
    rows = [row for row in values if values[row]]
    means = [sum(bits[row]) / len(bits[row]) for row in rows]
    show_groups([Group(row, values[row]) for row in rows], "test_accuracy", as_json, means)
    if lost and not as_json:
        print_text(f"Diverged, and left out: {', '.join(lost)}.")
