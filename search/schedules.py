"""The learning rate that a configuration's optimiser section asks for."""

from ..engine.schedule import learning_rate
from .config import Optimiser


def rate(o: Optimiser, progress: float) -> float:
    """At `progress` in [0, 1) through the run."""
    return learning_rate(o.schedule, progress, start=o.lr, end=o.lr_end, warmup=o.warmup)
