"""What predicts how well rules will do? Cheap scores and short trainings beside long ones, over random assignments.

    for E in 1 2 4 12; do
        bionas-cupy search --strategy random --genotype G --rules bp,fa,usf,brsf,frsf --evaluations 35 --epochs $E \\
            --set trials.seeds=1 --out runs/epochs-$E
    done
    python -m bionas_cupy.benchmarks.early_ranks runs/epochs-12 runs/epochs-1 runs/epochs-2 runs/epochs-4

Random searches of one seed ask for the same candidates, so that only the lengths differ. Spearman's rank correlation
of each short search's validation loss, of `credit` (search/scores.py) before any training and after an epoch of it,
and of the transported bits, with the validation accuracy of the first search; more is better for each of them.
"""

import argparse
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..engine.errors import UsageError
from ..engine.journal import read
from ..engine.run_folder import RunFolder
from ..search.config import SearchConfig, build
from ..search.look import Look
from ..search.scores import credit
from ..search.strategies.strategy import Spec, is_candidate
from ..search.train_run import stored_genotype
from ..search.trials.executor import one_thread
from ..search.trials.laboratory import Laboratory, training_images
from ..search.trials.setup import space_of

IMAGES = 128  # of the validation half, for credit


def main() -> None:
    given = arguments()
    late = scores(given.late)
    accuracy = {key: score["validation_accuracy"] for key, score in late.items()}
    columns = {"transported bits": {key: score["transported_bits"] for key, score in late.items()}}
    for path in given.early:
        columns[f"−loss of {path.name}"] = {k: -s["validation_loss"] for k, s in scores(path).items()}
    if not given.no_credit:
        columns |= credit_columns(given.late, list(accuracy))
    print(
        f"| with the accuracy of {given.late.name} | Spearman, 95 % interval | assignments |\n| --- | --- | --- |"
    )
    for name, values in columns.items():
        shared = [key for key in accuracy if key in values]
        told = interval([values[k] for k in shared], [accuracy[k] for k in shared])
        print(f"| {name} | {told} | {len(shared)} |")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("late", type=Path, help="the search with the longest training")
    parser.add_argument(
        "early", type=Path, nargs="*", help="searches for the same candidates, trained for less"
    )
    parser.add_argument("--no-credit", action="store_true")
    return parser.parse_args()


def scores(path: Path) -> dict[str, dict[str, Any]]:
    """Of the candidates of a search that came to an end, by their genomes."""
    lines = [line for line in read(path / "journal.jsonl") if "failed" not in line["score"]]
    lines = [line for line in lines if is_candidate(line["spec"])]
    return {json.dumps(line["spec"]["genome"]): line["score"] for line in lines}


def credit_columns(path: Path, genomes: list[str]) -> dict[str, dict[str, float]]:
    laboratory = laboratory_of(path)
    found: dict[str, dict[str, float]] = {"credit, untrained": {}, "credit after an epoch": {}}
    with one_thread():
        for key in genomes:
            spec = {"genome": json.loads(key), "budget": 1}
            for values, value in zip(found.values(), credit_of(laboratory, spec), strict=True):
                values[key] = value
    return found


def laboratory_of(path: Path) -> Laboratory:
    """Raises UsageError for a search that trained no candidates."""
    folder = RunFolder(path)
    config = build(SearchConfig, [tomllib.loads(folder.configuration)])
    if not config.trains or config.untrained:
        raise UsageError(f'"{path}" is no search that trained its candidates.')
    return Laboratory(config, space_of(config, stored_genotype(folder)), training_images(config))


def credit_of(laboratory: Laboratory, spec: Spec) -> Iterator[float]:
    """Before any training, and after an epoch of it."""
    rows = laboratory.validation.take(np.arange(min(IMAGES, len(laboratory.validation))))
    for epochs in (0, 1):
        job = laboratory.job(spec, 0)
        for index in range(epochs * job.steps):
            job.step(0, index)
        x = job.model.images(np.divide(rows.images, 255, dtype=np.float32))
        yield credit(Look(job.model, x, rows.labels))


def interval(score: list[float], accuracy: list[float]) -> str:
    """Spearman's ρ, and where it may lie by Fisher's z, whose variance is 1.06/(n − 3) (Fieller et al. 1957)."""
    from scipy.stats import spearmanr

    n = len(score)
    if n < 4 or len(set(score)) < 2 or len(set(accuracy)) < 2:
        return "not defined"
    rho = float(spearmanr(score, accuracy).statistic)
    half = 1.96 * np.sqrt(1.06 / (n - 3))
    low, high = np.tanh(np.arctanh(np.clip(rho, -0.999999, 0.999999)) + np.array([-half, half]))
    return f"{rho:+.2f} ({low:+.2f} to {high:+.2f})"


if __name__ == "__main__":
    main()
