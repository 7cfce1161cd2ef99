"""Learning-rate schedules: functions of the progress t ∈ [0, 1) through a run, so that a resumed run agrees."""

import math
from collections.abc import Sequence

from .errors import UsageError, did_you_mean

SCHEDULES = ("constant", "cosine", "linear", "multistep")


def learning_rate(
    name: str,
    t: float,
    *,
    start: float,
    end: float = 0.0,
    warmup: float = 0.0,
    milestones: Sequence[float] = (0.4, 0.6, 0.8),
    gamma: float = 0.1,
) -> float:
    """The rate at progress t.

    cosine: end + ½(start - end)(1 + cos πt) (Loshchilov & Hutter 2017); linear: from start to end; multistep:
    start · gamma^(milestones passed). During the first `warmup` share of the run the rate rises linearly to the
    schedule's; t, warmup and milestones are shares of the run.
    """
    if t < warmup:
        return start * t / warmup
    whole, t = t, (t - warmup) / (1.0 - warmup)
    match name:
        case "constant":
            return start
        case "cosine":
            return end + 0.5 * (start - end) * (1.0 + math.cos(math.pi * t))
        case "linear":
            return start + (end - start) * t
        case "multistep":
            return start * gamma ** sum(whole >= m for m in milestones)
    raise UsageError(f'schedule "{name}" is unknown.', did_you_mean(name, SCHEDULES))
