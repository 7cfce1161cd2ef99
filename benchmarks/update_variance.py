"""BioNAS, Fig. 3: are the updates of a network of mixed rules less variable than those of one rule?

    python -m bionas_cupy.benchmarks.update_variance --genotype examples/cifar10-small.json --data-dir D \\
        --out runs/variance                           # five seeds; --rules, --seeds, --epochs: a part of it
    ... --read                                        # only draw what is finished

The genotype is trained by the rules that it names (`own`), and by each single rule on every searched edge. Before the
first epoch and after each one the weights are held still while ΔW is taken over MINIBATCHES minibatches (brSF draws
anew for each, as it does in training); then training goes on as if nobody had looked. Of each searched synapse:

    variance   Var[ΔW] over the minibatches, mean over components
    spread     variance of the components of one ΔW, mean over the minibatches (what `grad.var()` gives)
    snr        ‖mean‖/√V of ΔW, without bias (analysis/variance.py): the error's scale cancels

A (rule, seed) is one JSON file in --out: a finished one is only read, so the script may be started again at any time.
"""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..analysis.style import check_matplotlib
from ..analysis.subject import Subject, open_subject
from ..analysis.variance import Welford
from ..engine.backend import to_host
from ..search.training import Training
from . import update_variance_pictures as pictures
from .kept import results

RULES, SEEDS, OWN = "own,bp,usf,frsf,brsf,fa", "0,1,2,3,4", "own"
SEARCHED = "cell*.edge*"
MINIBATCHES = 12
SETTINGS: dict[str, Any] = {
    "batch": 32,
    "size": {"channels": 8, "cells": 3},
    "optimiser": {"lr": 0.05},
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--genotype", type=Path)
    parser.add_argument("--data", default="cifar10")
    parser.add_argument("--data-dir")
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--rules", default=RULES, help=f"comma-separated; {OWN}: those of the genotype")
    parser.add_argument("--seeds", default=SEEDS)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--subset", type=int, default=1280)
    parser.add_argument("--read", action="store_true", help="only draw what is finished")
    return parser.parse_args()


@contextmanager
def held_still(job: Training) -> Iterator[None]:
    """Steps within the body move no weight, clip no gradient, and are forgotten afterwards."""
    config, arrays = job.config, {name: array.copy() for name, array in job.arrays().items()}
    still = config.optimiser.model_copy(update={"lr": 0.0, "lr_end": 0.0, "clip": 0.0})
    job.config = config.model_copy(update={"optimiser": still})
    try:
        yield
    finally:
        job.config = config
        job.restore(arrays)


def measured(subject: Subject, job: Training) -> dict[str, dict[str, float]]:
    """{layer: {number: value}} of the searched synapses, from the data to the loss, over the next MINIBATCHES."""
    searched = [s for s in job.model.synapses if fnmatchcase(s.name, SEARCHED)]
    over, within = {s.name: Welford() for s in searched}, {s.name: 0.0 for s in searched}
    update = subject.update
    with held_still(job):
        for _ in range(MINIBATCHES):
            subject.run(1)
            for synapse in searched:  # -ΔW, as the rule gave it
                over[synapse.name].add(synapse.W.grad)
                within[synapse.name] += float(synapse.W.grad.var(dtype=np.float64)) / MINIBATCHES
    subject.update = update
    found = {}
    for name, welford in over.items():
        _, variance, snr = map(float, to_host(welford.signal_and_noise()))
        found[name] = {"variance": variance, "snr": snr, "spread": within[name]}
    return found


def train(given: argparse.Namespace, rule: str, seed: int) -> dict[str, Any]:
    """One training: what is found before its first epoch and after each, and its accuracy in each."""
    data = {"name": given.data, "dir": given.data_dir, "subset": given.subset}
    rules = {} if rule == OWN else {"rule": rule}
    settings = {**SETTINGS, **rules, "data": data, "seed": seed, "epochs": given.epochs}
    subject = open_subject(str(given.genotype), settings)
    job = subject.job
    assert isinstance(job, Training)
    epochs, scores = [measured(subject, job)], []
    for epoch in range(given.epochs):
        subject.run(job.steps)
        scores.append(job.score(epoch))
        epochs.append(measured(subject, job))
    rules = {s.name: str(s.rules[0]) for s in job.model.synapses if s.name in epochs[0]}
    return {"rules": rules, "epochs": epochs, "scores": scores}


def main() -> None:
    given = arguments()
    check_matplotlib()
    make = None if given.read else partial(train, given)
    for line in pictures.draw(results(given.out, given.rules, given.seeds, make), given.out):
        print(line)


if __name__ == "__main__":
    main()
