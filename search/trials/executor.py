"""Who trains the candidates: this process, several of this machine, or the workers of a Dask scheduler."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from ...engine.kernels.threads import get_threads, one_blas_thread, set_threads
from ..config import SearchConfig
from ..strategies.strategy import Score, Spec
from .laboratory import Laboratory

Scores = Callable[[Sequence[Spec]], Iterator[Score]]


class TrialEvaluator:
    """The Evaluator of ask_tell.py. An evaluation costs the epochs of its training (with one seed), or 1 where none is
    trained; a tournament as much for each contestant."""

    def __init__(self, scores: Scores, epochs: int) -> None:
        self.evaluate, self.epochs = scores, epochs

    def cost(self, spec: Spec) -> float:
        return float(spec.get("budget", self.epochs)) * len(spec.get("contestants", [0]))


@contextmanager
def opened(
    config: SearchConfig, setup: str, laboratory: Laboratory, stopped: Callable[[], bool]
) -> Iterator[Scores]:
    """The scores of candidates, by whom the configuration names. Whatever was started ends with the block."""
    workers = config.workers or os.cpu_count() or 1
    if config.executor == "dask":
        from .cluster import Cluster

        assert config.scheduler is not None
        with Cluster(setup, config.scheduler, stopped) as cluster:
            yield cluster.scores
    elif workers > 1:
        from .workers import Processes

        with Processes(setup, workers, stopped) as processes:
            yield processes.scores
    else:
        with one_thread():
            yield lambda specs: (laboratory.score(spec, stopped) for spec in specs)


@contextmanager
def one_thread() -> Iterator[None]:
    before = get_threads()
    set_threads(1)
    try:
        with one_blas_thread():
            yield
    finally:
        set_threads(before)
