"""Angles through training: ResNet-20 on CIFAR-10 by each rule, under inspection.

    python -m bionas_cupy.benchmarks.watched --data-dir D --out runs/watched              # each rule, three seeds
    ... --epochs 1 --subset 1000 --rules bp,fa --seeds 0                                  # a small instance
    ... --read                                                                            # only draw what is finished

Each (rule, seed) is one training in a folder of its own with signals.h5 beside it: a finished one is only read, one
that was stopped or killed is resumed. So the script may be started again at any time, and beside itself with other
rules. What a longer training ends in, without a recording of its course: learned.py.
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

TRAINING = {"model": "resnet20", "batch": 128, "optimiser": {"lr": 0.1, "weight_decay": 1e-4}}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="cifar10")
    parser.add_argument("--data-dir")
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--rules", default="bp,usf,frsf,brsf,fa,dfa", help="comma-separated")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--subset", type=int, default=5000)
    parser.add_argument("--every", type=int, default=9, help="record every N-th update")
    parser.add_argument("--read", action="store_true", help="only draw what is finished")
    return parser.parse_args()


def settings(given: argparse.Namespace, rule: str, seed: int) -> dict[str, Any]:
    data = {"name": given.data, "dir": given.data_dir, "subset": given.subset}
    return {**TRAINING, "rule": rule, "data": data, "seed": seed, "epochs": given.epochs}


def train(given: argparse.Namespace, rule: str, seed: int) -> None:
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
            inspection(every=given.every, histograms=False, sink=file, title=title),
        ):
            run_train(config, folder, stopping, lambda _: None)


def main() -> None:
    given = arguments()
    check_matplotlib()
    rules, seeds = given.rules.split(","), given.seeds.split(",")
    if not given.read:
        for seed in seeds:
            for rule in rules:
                train(given, rule, int(seed))
    for line in watched_pictures.draw(given.out, rules, seeds):
        print(line)


if __name__ == "__main__":
    main()
