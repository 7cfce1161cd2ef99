"""What a few rounds say: one round is a step of each side, and counts where the machine was left to it."""

from collections.abc import Sequence
from statistics import median
from typing import Any, NamedTuple

QUIET = 0.08  # the share of the processors that others may use meanwhile
Answer = dict[str, Any]  # of a worker: {"seconds", "others", "peak_mb"}
Round = Sequence[Answer]  # of each side


class Side(NamedTuple):
    """ms: the median; spread: (slowest - fastest) / median; peak_mb: the most memory at the end."""

    ms: float
    spread: float
    peak_mb: float


def is_quiet(round_: Round) -> bool:
    """Whether others left the machine alone; a system that does not tell counts as quiet."""
    return all(answer["others"] is None or answer["others"] <= QUIET for answer in round_)


def kept(rounds: Sequence[Round], least: int) -> list[Round]:
    """The quiet rounds; all of them where there are fewer than `least`."""
    quiet = [each for each in rounds if is_quiet(each)]
    return quiet if len(quiet) >= least else list(rounds)


def side(answers: Sequence[Answer]) -> Side:
    """One side of the rounds that count."""
    times = [1e3 * answer["seconds"] for answer in answers]
    middle = median(times)
    return Side(middle, (max(times) - min(times)) / middle, max(answer["peak_mb"] for answer in answers))
