"""The learning rate that a configuration's optimiser section asks for."""

from ..engine.schedule import learning_rate
from .config import Optimiser


def rate(o: Optimiser, progress: float) -> float:
    """At `progress` through the run; from 1 on the rate of its end (inspection steps on from there)."""
    return learning_rate(o.schedule, min(progress, 1.0), start=o.lr, end=o.lr_end, warmup=o.warmup)
