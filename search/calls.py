"""Searches and trainings from Python: the command line's jobs as two functions.

import bionas_cupy as bn

with bn.probe("delta", "below", layers=["conv1"], every=10) as p:
    result = bn.run_train("runs/usf", model="lenet", rule="usf", epochs=2, batch=32)
p["conv1", "delta"]          # [(update, array (N, 1, O, H, W)), ...]
"""

from pathlib import Path
from typing import Any

from ..engine.stopping import Stopping
from . import search_run, train_run
from .config import SearchConfig, build, search_presets
from .genotype import AnyGenotype
from .known import train_config
from .loop import Moment


def run_train(out: str | Path, **settings: Any) -> dict[str, Any]:
    """Train and test a network in the new run folder `out`; what result.json holds.

    settings: the keys of the configuration (docs/cli.md), sections as dictionaries:
    run_train("runs/a", model="resnet20", data={"name": "cifar10", "dir": "..."}, optimiser={"lr": 0.1}).
    Raises the errors of the command line (bn.BionasError); Ctrl-C saves and raises StoppedError.
    """
    config = train_config(settings)
    with train_run.start(config, Path(out)) as folder, Stopping() as stopping:
        return train_run.run_train(config, folder, stopping, _silent)


def run_search(out: str | Path, **settings: Any) -> AnyGenotype:
    """Search in the new run folder `out`; the genotype. settings: as for `run_train`, on top of a `preset`.

    Candidates are trained in this process. workers=N starts N others, which import the script that calls this: its
    own work has then to stand below `if __name__ == "__main__":`.
    """
    config = build(SearchConfig, [search_presets(settings), settings])
    if config.trains and config.workers is None and config.executor is None:
        config.workers = 1
    with search_run.start(config, Path(out)) as folder, Stopping() as stopping:
        return search_run.run_search(config, folder, stopping, _silent).genotype


def _silent(_: Moment) -> None:
    """No progress is shown."""
