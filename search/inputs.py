"""What a job's step is told from outside: all that differs from one step to the next."""

from typing import NamedTuple

from ..engine.backend import Array
from .passes import Batch


class Inputs(NamedTuple):
    """The inputs of a step; what follows from them asks nothing of the host.

    update     weight updates made so far
    lr         the weights' learning rate: a number, or a 0-d array on the device
    train      the batch on which the weights learn
    val        that of α; None where α rests, and in a training
    drop_path  the probability with which a path is dropped
    clock      of a recorded step (engine/step.py)
    """

    update: int
    lr: float | Array
    train: Batch
    val: Batch | None = None
    drop_path: float = 0.0
    clock: Array | None = None
