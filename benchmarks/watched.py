"""Trainings under inspection, and their pictures: angles through training, variance of the updates, weights.

    python -m bionas_cupy.benchmarks.watched angles --data-dir D --out runs/angles      # each rule, three seeds
    python -m bionas_cupy.benchmarks.watched variance --data-dir D --out runs/variance  # mixed against single, five
    python -m bionas_cupy.benchmarks.watched weights --data-dir D --out runs/weights    # variance, distribution of W
    ... --epochs 1 --subset 1000 --rules bp,fa --seeds 0                      # a small instance
    ... --read                                                                # only draw what is finished

Each (rule, seed) is one training in a folder of its own with signals.h5 beside it: a finished one is only read, one
that was stopped or killed is resumed. So the script may be started again at any time.
"""

import argparse
from pathlib import Path
from typing import Any

from ..analysis.inspection import inspection
from ..analysis.signals_file import SignalsFile
from ..analysis.style import check_matplotlib
from ..engine.run_folder import RunFolder, State
from ..engine.stopping import Stopping
from ..search.config import TrainConfig, build
from ..search.train_run import run_train, start
from . import watched_pictures

MIXED = "mixed"
PATTERNS = {  # the rules of a network with a rule a block, dealt in turn; stem and classifier as in the others
    "stage?_block0*": "usf",
    "stage?_block1*": "frsf",
    "stage?_block2*": "brsf",
}
PLANS: dict[str, dict[str, Any]] = {
    "angles": {"rules": "bp,fa,dfa,usf,frsf,brsf", "seeds": "0,1,2", "every": 20},
    "variance": {"rules": "bp,usf,frsf,brsf,fa,mixed", "seeds": "0,1,2,3,4", "every": 5},
    "weights": {"rules": "bp,usf,frsf,brsf,fa,mixed", "seeds": "0,1,2", "every": 50},
}
TRAINING = {"model": "resnet20", "batch": 128, "optimiser": {"lr": 0.1, "weight_decay": 1e-4}}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=PLANS)
    parser.add_argument("--data", default="cifar10")
    parser.add_argument("--data-dir")
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--rules", help="comma-separated; `mixed` has a rule a block")
    parser.add_argument("--seeds")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--subset", type=int, default=10000)
    parser.add_argument("--every", type=int, help="record every N-th update")
    parser.add_argument("--read", action="store_true", help="only draw what is finished")
    return parser.parse_args()


def settings(given: argparse.Namespace, rule: str, seed: int) -> dict[str, Any]:
    rules = {"rules_per_layer": {"*": "bp", **PATTERNS}} if rule == MIXED else {"rule": rule}
    data = {"name": given.data, "dir": given.data_dir, "subset": given.subset}
    return {**TRAINING, **rules, "data": data, "seed": seed, "epochs": given.epochs}


def train(given: argparse.Namespace, rule: str, seed: int, every: int) -> None:
    """Start or resume one training under inspection; a finished one is left alone."""
    path = given.out / f"{rule}-{seed}"
    config = build(TrainConfig, [settings(given, rule, seed)])
    resumed = (path / "checkpoint.h5").exists()
    with RunFolder.open_for_resume(path) if resumed else start(config, path) as folder:
        if folder.state is State.FINISHED:
            return
        print(path, "goes on" if resumed else "begins", flush=True)
        title = f"{rule}, seed {seed}"
        with (
            Stopping() as stopping,
            SignalsFile(path, budget=50_000_000, title=title) as file,
            inspection(every=every, histograms=False, sink=file, title=title),
        ):
            run_train(config, folder, stopping, lambda _: None)


def main() -> None:
    given = arguments()
    check_matplotlib()
    plan = PLANS[given.what]
    rules = (given.rules or plan["rules"]).split(",")
    seeds = [int(seed) for seed in (given.seeds or plan["seeds"]).split(",")]
    if not given.read:
        for seed in seeds:
            for rule in rules:
                train(given, rule, seed, given.every or plan["every"])
    for line in watched_pictures.draw(given.what, given.out, rules, seeds):
        print(line)


if __name__ == "__main__":
    main()
