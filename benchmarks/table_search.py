"""Search strategies on a table of NAS-Bench-201: what is found after so many evaluations, over many seeds, paired.

    python -m bionas_cupy.benchmarks.table_search --table nb201_table.csv.xz --pictures docs/pictures
    python -m bionas_cupy.benchmarks.table_search --table nb201_table.csv.xz --first-seed 1000 --validation

Each seed's search sees the validation columns alone; the test accuracy is that of the cell which was the best by
validation at that moment. `--validation` prints validation accuracies in its place, to choose settings by.
`--pictures` draws the curves, a point an evaluation (extra `report`).
"""

import argparse
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..analysis.comparison import wilcoxon_p
from ..data.table import Table
from ..search.ask_tell import Exploration, best_of
from ..search.config import SearchConfig, build
from ..search.intervals import interval
from ..search.strategies.make import make_strategy
from ..search.table_run import NOTHING, evaluator_of
from .table_search_pictures import draw

MOMENTS = (25, 50, 100, 150, 200)
AGAINST = "evolution"
ROWS: dict[str, dict[str, Any]] = {
    "random": {},
    "evolution": {},
    "evolution, 10 living, sample of 3": {"population": 10, "sample": 3},
    "ga": {},
    "eg": {},
    "eg, 2 searches of 10, 8 generations": {
        "searches": 2,
        "population": 10,
        "generations": 8,
        "step": "difference",
    },
    "halving": {},
}


class Found(NamedTuple):
    """Accuracies (seeds, evaluations), after the first, the second, …; and the mean of the candidates asked for, known
    ones included."""

    accuracies: NDArray[np.float64]
    asked: float

    @property
    def last(self) -> NDArray[np.float64]:
        return self.accuracies[:, -1]


def main() -> None:
    given = arguments()
    table = Table(given.table.expanduser().resolve(), "arch")
    seeds = range(given.first_seed, given.first_seed + given.seeds)
    found, began = {}, time.monotonic()
    for row, settings in ROWS.items():
        found[row] = search(table, row.partition(",")[0], settings, seeds, given.validation)
    print(f"| strategy | {' | '.join(f'after {m}' for m in MOMENTS)} | least | asked |")
    print("| --- |" + " --- |" * (len(MOMENTS) + 2))
    for row, each in found.items():
        print(f"| {row} | {' | '.join(figures(each.accuracies[:, m - 1]) for m in MOMENTS)} | ", end="")
        print(f"{each.last.min():.2f} | {each.asked:.0f} |")
    print(
        f"\n| after {MOMENTS[-1]}, less {AGAINST} | mean, 95 % interval | better, equal, worse | Wilcoxon's p |"
    )
    print("| --- | --- | --- | --- |")
    for row, each in found.items():
        if row != AGAINST:
            print(f"| {row} | {beside(each.last - found[AGAINST].last)} |")
    if given.pictures:
        draw({row: each.accuracies for row, each in found.items()}, given.pictures, given.validation)
    print(f"\n{len(seeds)} seeds from {seeds[0]}, {time.monotonic() - began:.0f} s")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--table", required=True, type=Path)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--validation", action="store_true")
    parser.add_argument("--pictures", type=Path, help="folder for table_search.svg and .png")
    return parser.parse_args()


def search(table: Table, strategy: str, settings: dict[str, Any], seeds: range, validation: bool) -> Found:
    found, asked = [], []
    for seed in seeds:
        tree = {
            "strategy": strategy,
            "seed": seed,
            "evaluations": MOMENTS[-1],
            "space": {"preset": "nasbench201"},
        }
        own = {strategy: settings} if settings else {}
        config = build(SearchConfig, [tree | {"table": {"file": str(table.path)}} | own])
        assert config.table is not None
        evaluator = evaluator_of(config, table)
        made = make_strategy(config, evaluator.decisions.sizes, config.table.epochs, NOTHING)
        exploration = Exploration(made, evaluator, MOMENTS[-1])
        exploration.run()
        asked.append(exploration.asked)
        spent = [best_of([t for t in exploration.trials if t.spent <= n]) for n in range(1, MOMENTS[-1] + 1)]
        column = table.column(config.table.search[0] if validation else config.table.report)
        found.append([column[evaluator.decisions.cell(best.spec["genome"]).plain] for best in spent])
    return Found(np.array(found), float(np.mean(asked)))


def figures(values: NDArray[np.float64]) -> str:
    """mean ± standard error"""
    return f"{values.mean():.2f} ± {values.std(ddof=1) / np.sqrt(len(values)):.2f}"


def beside(differences: NDArray[np.float64]) -> str:
    """Mean and interval, counts, p, of differences paired by seed."""
    mean, half, _ = interval(differences.tolist())
    p, counts = wilcoxon_p(differences), [(differences > 0), (differences == 0), (differences < 0)]
    told = ", ".join(str(count.sum()) for count in counts)
    low, high = (f"{mean + sign * (half or 0):+.3f}" for sign in (-1, 1))
    return f"{mean:+.3f} ({low} to {high}) | {told} | {'too few differ' if p is None else f'{p:.2g}'}"


if __name__ == "__main__":
    main()
