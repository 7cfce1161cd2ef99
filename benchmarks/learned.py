"""What finished trainings have learnt: angles at the first step and at the end, and how the weights are distributed.

    python benchmarks/rules_table.py resnet20 --data-dir D --out runs/resnet20
    python -m bionas_cupy.benchmarks.learned --runs runs/resnet20 --data-dir D --out runs/learned
    ... --read                                                                # only draw what is finished

RUNS holds a folder RULE-SEED for each training (rules_table.py). The angles at the end are those of STEPS more steps at
the schedule's last rate, which is 0. Each training is one JSON file in --out; the script may be started again.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from ..analysis.inspection import Inspection
from ..analysis.style import check_matplotlib
from ..analysis.subject import Subject, open_subject
from ..engine.backend import to_host
from ..engine.probe import opened
from ..layers.model import Model
from ..search.training import Training
from . import learned_pictures as pictures
from .kept import results

STEPS = 2
KEPT = ("layer", "angle_below_local", "angle_update", "angle_feedback_weights", "sign_agreement")
BINS = np.linspace(-6, 6, 121)  # of W over the deviation of its initialiser


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path)
    parser.add_argument("--data-dir")
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--rules", default="bp,usf,frsf,brsf,dfa,fa")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--read", action="store_true", help="only draw what is finished")
    return parser.parse_args()


def angles(subject: Subject, steps: int) -> list[dict[str, Any]]:
    seen = Inspection(histograms=False)
    with opened(seen):
        subject.run(steps)
    return [{name: each[name] for name in KEPT} for each in seen.summary()]


def weights(model: Model) -> dict[str, dict[str, Any]]:
    """By layer: the variance of W over that of its initialiser, its excess kurtosis, and counts between BINS."""
    found = {}
    for synapse in model.synapses:
        w = to_host(synapse.W.value).astype(np.float64).ravel() / synapse.s
        apart = w - w.mean()
        found[synapse.name] = {
            "variance": float(apart.var()),
            "kurtosis": float((apart**4).mean() / apart.var() ** 2 - 3),
            "counts": np.histogram(w, BINS)[0].tolist(),
        }
    return found


def learned(run: Path, data_dir: str | None) -> dict[str, Any] | None:
    """None of a training that is not finished."""
    if not (run / "result.json").exists():
        return None
    end = open_subject(str(run), {"data": {"dir": data_dir}} if data_dir else {})
    job = end.job
    assert isinstance(job, Training)
    new = Training(job.config, end.genotype, job.feed.images, job.model.backend)
    return {
        "test_accuracy": json.loads((run / "result.json").read_text())["test_accuracy"],
        "updates": end.update,
        "weights": {"start": weights(new.model), "end": weights(job.model)},
        "angles": {"start": angles(Subject(new, 0, "", None), 1), "end": angles(end, STEPS)},
    }


def main() -> None:
    given = arguments()
    check_matplotlib()

    def make(rule: str, seed: int) -> dict[str, Any] | None:
        return learned(given.runs / f"{rule}-{seed}", given.data_dir)

    found = results(given.out, given.rules, given.seeds, None if given.read else make)
    for line in pictures.draw(found, given.out):
        print(line)


if __name__ == "__main__":
    main()
