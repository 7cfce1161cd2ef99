"""What a search of a supernet costs: a step of its weights, an evaluation of its architecture, and what grows how.

    python -m bionas_cupy.benchmarks.search_cost [--threads T] [--only ROW]

Each row in a process of its own, by the preset small: 5 cells, 8 channels, 32 random images of 3 x 32 x 32 a batch.
An evaluation is a step of α (darts: it looks at all candidates of all edges at once) or a scored point (eg). Times are
the fastest of seven, in turns with the weights' steps. `own` is what the strategy computes beside the network, by
point a round's CMA-ES. Memory is the peak above that of the process before the search was built.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..data.dataset import Images
from ..engine.backend import cpu
from ..engine.kernels.threads import get_threads, one_blas_thread, set_threads
from ..engine.random import Key, bits
from ..search.config import SearchConfig, build, search_presets
from ..search.darts import DartsSearch
from ..search.guided import GuidedSearch
from ..search.searches import supernet_search
from ..search.strategies.eg_round import Round
from ..search.tree import Tree, merge
from .machine import peak_mb

ROUNDS = 7
BP = {"space": {"rules": ["bp"]}}
EG: Tree = {"strategy": "eg"}
LOOK = {"space": {"weights": "shared"}, "architecture": {"gradient": "lookahead"}}


def rules(count: int) -> Tree:
    """8 candidates at one rule, 12 at 2, 20 at 4, 36 at 8."""
    return {"space": {"rules": ["fa", "usf", "brsf", "frsf", "bp", "qsf2", "qsf3", "power"][:count]}}


def eg(searches: int, population: int) -> Tree:
    return merge(EG, {"eg": {"searches": searches, "population": population}})


ROWS: dict[str, Tree] = {
    "darts, first": {},
    "darts, look-ahead, shared weights": LOOK,
    "darts, first, bp alone": BP,
    "darts, second, bp alone": merge(BP, {"architecture": {"gradient": "second"}}),
    "eg, N = 5, λ = 25": eg(5, 25),
    "eg, N = 1, λ = 25": eg(1, 25),
    "eg, N = 5, λ = 50": eg(5, 50),
    "eg, N = 5, λ = 5": eg(5, 5),
    "eg, 8 candidates": merge(EG, rules(1)),
    "eg, 12 candidates": merge(EG, rules(2)),
    "eg, 36 candidates": merge(EG, rules(8)),
    "darts, first, 36 candidates": rules(8),
    "darts, first, K = 2": {"size": {"partial": 2}},
    "darts, first, K = 4": {"size": {"partial": 4}},
    "eg, K = 4": merge(EG, {"size": {"partial": 4}}),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--threads", type=int, default=get_threads())
    parser.add_argument("--only", choices=ROWS)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.here:
        set_threads(given.threads)
        print(json.dumps(measured(ROWS[given.only])))
        return
    print("| search | candidates | weights' step ms | evaluation ms | of it own ms | memory MB |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name in [given.only] if given.only else ROWS:
        row = in_a_process(name, given.threads)
        numbers = [f"{row[k]:.0f}" for k in ("candidates", "weights", "evaluation")]
        print(f"| {name} | {' | '.join(numbers)} | {row['own']:.1f} | {row['memory']:.0f} |", flush=True)


def in_a_process(name: str, threads: int) -> dict[str, float]:
    words = ["--here", "--only", name, "--threads", str(threads)]
    done = subprocess.run(
        [sys.executable, "-m", __spec__.name, *words], capture_output=True, text=True, check=True
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def measured(settings: Tree) -> dict[str, Any]:
    before = peak_mb()
    asked = merge({"preset": "small", "architecture": {"warmup": 0.0}}, settings)
    config = build(SearchConfig, [search_presets(asked), asked])
    job = supernet_search(config, random_images(), cpu())
    evaluate, own = (guided if isinstance(job, GuidedSearch) else by_gradient)(job)
    with one_blas_thread():
        given = job.inputs(0, 0)._replace(val=None)
        times = in_turns([lambda: job.take(given), evaluate])
    return {
        "candidates": len(job.architecture.candidates),
        "weights": 1e3 * times[0],
        "evaluation": 1e3 * (times[1] + own),
        "own": 1e3 * own,
        "memory": peak_mb() - before,
    }


def by_gradient(job: Any) -> tuple[Callable[[], None], float]:
    assert isinstance(job, DartsSearch)
    given = job.inputs(0, 0)
    assert given.val is not None
    val = given.val
    return lambda: job.choose(given, val), 0.0


def guided(job: Any) -> tuple[Callable[[], None], float]:
    """A point's forward pass; and a point's share of a round of CMA-ES, timed apart."""
    assert isinstance(job, GuidedSearch)
    z = job.architecture.point()
    found = Round(z, job.architecture.sizes, Key(0), job.settings)
    found.error = 1.0
    began = time.perf_counter()
    while not found.finished:
        points = found.sample()
        found.tell([float(z[0]) for z in points], [1.0] * len(points))
    return lambda: job.evaluate(0, 1, z), (time.perf_counter() - began) / job.points


def in_turns(steps: Sequence[Callable[[], None]]) -> list[float]:
    """The least seconds of each, after one that is not counted: others share the machine."""
    times: list[list[float]] = [[] for _ in steps]
    for _ in range(ROUNDS + 1):
        for step, told in zip(steps, times, strict=True):
            began = time.perf_counter()
            step()
            told.append(time.perf_counter() - began)
    return [min(told[1:]) for told in times]


def random_images(count: int = 200) -> Images:
    key, shape = Key(0, "search cost"), (count, 3, 32, 32)
    pixels = (bits(key, int(np.prod(shape))) >> np.uint64(56)).astype(np.uint8).reshape(shape)
    labels = (np.arange(count) % 10).astype(np.int64)
    return Images(pixels, labels, tuple("0123456789"), "random")


if __name__ == "__main__":
    main()
