"""Which candidates a search could not tell from the best: differences over the seeds that all were trained with."""

from collections.abc import Sequence

from ..ask_tell import Trial
from ..intervals import Interval, interval


def difference(one: Trial, other: Trial) -> Interval:
    """The mean difference of their objectives, paired by seed."""
    pairs = zip(one.score["objectives"], other.score["objectives"], strict=True)
    return interval([a - b for a, b in pairs])


def comparable(trials: Sequence[Trial], best: Trial) -> list[Trial]:
    """The others that were trained for as long as the best one, and came to an end."""
    same = [t for t in trials if t.spec.get("budget") == best.spec.get("budget") and t is not best]
    return [t for t in same if "failed" not in t.score]


def tied_with(trials: Sequence[Trial], best: Trial) -> list[Trial]:
    """Those whose 95 % interval of the difference to the best covers 0: of one seed, all of them."""
    return [trial for trial in comparable(trials, best) if difference(trial, best).tie]
