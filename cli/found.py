"""What the results of all searches say alike, for people and for programs."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from ..search.config import SearchConfig
from ..search.genotype import AnyGenotype
from .output import print_json, print_text


def print_genotype(path: Path, genotype: AnyGenotype) -> None:
    """As an event."""
    print_json({"event": "genotype", "path": str(path), "genotype": genotype.to_json()})


def training_options(config: SearchConfig) -> list[str]:
    """On the data that were searched on, for 50 epochs: slow rules need them."""
    name, folder = config.data.name, config.data.dir
    data = ["--data", name] * (name != "digits") + ["--data-dir", folder or ""] * (folder is not None)
    return [*data, "--epochs", "50"]


def print_found(path: Path, summary: str, why: str, more: Sequence[str]) -> None:
    """Below the tables: the genotype.json at `path`, why to believe it, and how to train it (options: `more`)."""
    print_text(summary)
    print(f"Genotype: {path}\n")
    print_text(why)
    print(f"\nNext: {shlex.join(['bionas-cupy', 'train', str(path.parent), *more])}")
    print("and beside it, as a control: the same with --rule bp")


def ties(genotype: AnyGenotype) -> str:
    """How many candidates could not be told from the best."""
    compared, tied = genotype.score["compared"], genotype.score["ties"]
    if not compared:
        return "It has nothing to be compared with (--evaluations)."
    if genotype.provenance["trials"]["seeds"] < 2:
        return "With one seed nothing says which of them are ties (--set trials.seeds=3)."
    if not tied:
        return "Every other one differs from it by more than the seeds' 95 % interval."
    return f"{tied} of the others are ties: the 95 % interval of the difference over the seeds covers 0."
