"""95 % intervals of means over seeds."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Interval(NamedTuple):
    """mean, and half of its 95 % interval (None of fewer than two values), of n values."""

    mean: float
    half: float | None
    n: int

    @property
    def tie(self) -> bool:
        return self.half is None or abs(self.mean) <= self.half


def interval(values: Sequence[float]) -> Interval:
    """mean ± t(0.975, n − 1) · s/√n"""
    n, mean = len(values), float(np.mean(values))
    if n < 2:
        return Interval(mean, None, n)
    from scipy import stats

    half = float(stats.t.ppf(0.975, n - 1)) * float(np.std(values, ddof=1)) / math.sqrt(n)
    return Interval(mean, half, n)
