"""Scores of untrained cells of NAS-Bench-201, computed by this engine on CIFAR-10, beside the table's test accuracy.

    python -m bionas_cupy.benchmarks.zero_cost --table nb201_table.csv.xz --data-dir D --out scores.jsonl

A line a cell goes to --out, at once; started again it goes on where it was, and adds the scores that a cell lacks. At
the end, or with --read, Spearman's rank correlation of each score with the test accuracy. Cells are drawn uniformly,
by the seed; a batch of training images, the same for all cells; weights of one seed.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..data.dataset import Images
from ..data.load import load
from ..data.table import Column, Table
from ..engine.random import Key
from ..layers.model import Model
from ..layers.nasbench201 import NasBench201Network
from ..layers.norm import Normalise
from ..search.look import Look
from ..search.nasbench201 import Cell, CellDecisions
from ..search.scores import SCORES
from ..search.strategies.strategy import random_genome

BATCH = 32  # images
NAMES = tuple(name for name in SCORES if name != "credit")  # all rules are bp


def main() -> None:
    given = arguments()
    if not given.read:
        images = load("cifar10", given.data_dir).train.subset(BATCH, Key(given.seed))
        known = lines(given.out)
        with given.out.open("a") as file:
            for cell in cells(given.cells, Key(given.seed)):
                missing = [n for n in given.scores.split(",") if n not in known.get(cell.plain, {})]
                if missing:
                    found = scores_of(cell, images, given.seed, missing)
                    file.write(json.dumps({"cell": cell.plain, **found}) + "\n")
                    file.flush()
    column = Table(given.table, "arch").column("c10_test200")
    print("| score | cells | Spearman | of the cells above 90 % |\n| --- | --- | --- | --- |")
    for name in NAMES:
        rows = {cell: line[name] for cell, line in lines(given.out).items() if name in line}
        if rows:
            print(f"| {name} | {len(rows)} | {' | '.join(correlations(rows, column))} |")


def correlations(scores: dict[str, float | None], column: Column) -> tuple[str, str]:
    """Of the scores by cell with the accuracies, over all cells, and over those above 90 %."""
    values = np.array([-np.inf if score is None else score for score in scores.values()])
    accuracy = np.array([column[cell] for cell in scores])
    good = accuracy > 90
    return interval(values, accuracy), interval(values[good], accuracy[good])


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--table", required=True, type=Path)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--cells", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scores", default=",".join(NAMES))
    parser.add_argument("--read", action="store_true", help="only tabulate what is there")
    return parser.parse_args()


def cells(count: int, key: Key) -> Iterator[Cell]:
    """Different ones, each uniform."""
    space = CellDecisions()
    drawn = (random_genome(space.sizes, key.to(f"zero_cost/cell{n}")) for n in range(20 * count))
    return (space.cell(genome) for genome in list(dict.fromkeys(drawn))[:count])


def lines(path: Path) -> dict[str, dict[str, Any]]:
    """What is known of each cell, of the lines that were written to their end; a cell may have several."""
    text = path.read_text() if path.exists() else ""
    found: dict[str, dict[str, Any]] = {}
    for line in text.splitlines(keepends=True):
        if line.endswith("\n"):
            read = json.loads(line)
            found.setdefault(read.pop("cell"), {}).update(read)
    return found


def scores_of(cell: Cell, images: Images, seed: int, names: Sequence[str]) -> dict[str, float | None]:
    """None for −∞."""
    model = untrained(cell, images, seed)
    x = model.images(np.divide(images.images, 255, dtype=np.float32))
    look = Look(model, x, images.labels, lambda: untrained(cell, images, seed, np.float64))
    found = {name: SCORES[name](look) for name in names}
    return {name: value if np.isfinite(value) else None for name, value in found.items()}


def untrained(cell: Cell, images: Images, seed: int, dtype: DTypeLike = np.float32) -> Model:
    channels, *size = images.shape
    network = NasBench201Network(channels, (size[0], size[1]), len(images.classes), cell.edges())
    mean, std = images.channel_statistics()
    return Model(network, Normalise(mean.tolist(), std.tolist()), Key(seed), dtype)


def interval(score: NDArray[np.float64], accuracy: NDArray[np.float64]) -> str:
    """ρ (95 % interval by Fisher's z with the variance of Bonett & Wright 2000); "constant" where all scores are one
    number, which ranks nothing, and "too few" of fewer than 4 cells."""
    from scipy import stats

    if len(score) < 4:
        return "too few"
    if len(set(score.tolist())) == 1:
        return "constant"
    rho = float(stats.spearmanr(score, accuracy).statistic)
    half = 1.96 * np.sqrt((1 + rho**2 / 2) / (len(score) - 3))
    low, high = np.tanh(np.arctanh(np.clip(rho, -1 + 1e-12, 1 - 1e-12)) + np.array([-half, half]))
    return f"{rho:.2f} ({low:.2f} to {high:.2f})"


if __name__ == "__main__":
    main()
