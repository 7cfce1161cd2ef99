"""What a configuration's optimiser section asks for: an optimiser, and its learning rate."""

from ..engine.backend import Array
from ..engine.optim import SGD, Adam
from ..engine.schedule import learning_rate
from .sections import Optimiser, TrainOptimiser


def rate(o: Optimiser, progress: float) -> float:
    """At `progress` through the run; from 1 on the rate of its end (inspection steps on from there)."""
    return learning_rate(o.schedule, min(progress, 1.0), start=o.lr, end=o.lr_end, warmup=o.warmup)


def optimiser(o: TrainOptimiser, value: Array) -> SGD | Adam:
    """Of these weights, a flat array."""
    if o.kind == "adam":
        return Adam(value, weight_decay=o.weight_decay)
    return SGD(value, o.momentum, o.weight_decay, o.nesterov)
