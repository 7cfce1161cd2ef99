"""Which candidates a search could not tell from the best: differences over the seeds that all were trained with."""

from collections.abc import Sequence

from ..ask_tell import Trial, best_of
from ..intervals import Interval, interval
from ..strategies.pareto import non_dominated, survivors

OWN = ("objective",)


def best_by(trials: Sequence[Trial], objectives: tuple[str, ...] = OWN) -> Trial:
    """The best of all. By several objectives at once: of those that no other dominates, that of the least sum of ranks
    among all that did not fail; the earliest of equal ones."""
    alive = [trial for trial in trials if "failed" not in trial.score]
    if objectives == OWN or not alive:
        return best_of(trials)
    return alive[survivors(table_of(alive, objectives), len(alive))[0]]


def undominated(trials: Sequence[Trial], objectives: Sequence[str]) -> int:
    """How many no other one beats in every objective."""
    alive = [trial for trial in trials if "failed" not in trial.score]
    return int(non_dominated(table_of(alive, objectives)).sum())


def table_of(trials: Sequence[Trial], objectives: Sequence[str]) -> list[list[float]]:
    return [[float(trial.score[name]) for name in objectives] for trial in trials]


def by_seed(trial: Trial, objective: str) -> list[float]:
    """What was minimised, of each seed."""
    if objective == "objective":
        return list(trial.score["objectives"])
    scores: dict[str, list[float]] = trial.score["by_seed"]
    seeds = len(next(iter(scores.values())))
    found = scores.get(objective.removeprefix("-"))
    return [float(trial.score[objective])] * seeds if found is None else [-value for value in found]


def difference(one: Trial, other: Trial, objective: str = "objective") -> Interval:
    """The mean difference of what was minimised, paired by seed."""
    pairs = zip(by_seed(one, objective), by_seed(other, objective), strict=True)
    return interval([a - b for a, b in pairs])


def comparable(trials: Sequence[Trial], best: Trial) -> list[Trial]:
    """The others that were trained for as long as the best one, and came to an end."""
    same = [t for t in trials if t.spec.get("budget") == best.spec.get("budget") and t is not best]
    return [t for t in same if "failed" not in t.score]


def tied_with(trials: Sequence[Trial], best: Trial, objectives: tuple[str, ...] = OWN) -> list[Trial]:
    """Those whose 95 % interval of the difference to the best covers 0, in every objective: of one seed, all."""
    return [t for t in comparable(trials, best) if all(difference(t, best, name).tie for name in objectives)]
