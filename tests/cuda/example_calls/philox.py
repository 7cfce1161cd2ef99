"""Draws: blocks of four words that are not filled, more than one block of threads, a clock that has gone on."""

from collections.abc import Iterator

import numpy as np
from bionas_cupy.engine.random import Key

from . import Call

KEYS = (Key(7, "rules/B", 3, 5), Key(2**64 - 1, "α", 2**64 - 3, 2**63))


def calls() -> Iterator[Call]:
    for key in KEYS:
        for shape in ((), (3,), (5, 7), (2, 701)):
            yield "uniform", np.zeros(shape), key, -0.3, 0.3
            yield "normal", np.zeros(shape), key, 2.5
            yield "mask", np.zeros(shape), key, 0.3
        yield "uniform", np.zeros(9), key, 0.0, 1.0, np.array(2)
        yield "mask", np.zeros((4, 9)).T, key, 0.9, np.array(2)
        yield "normal", np.zeros((4, 3)).T, key, 1.0, np.array(2)
