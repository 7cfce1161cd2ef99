"""What a genetic search may minimise: names of a candidate's score.

objective         the one number by which all strategies choose: loss or error, and the price; a table's error;
                  of one score of untrained networks its negative, and the price
parameters        weights of the network
validation_loss   of candidates that are trained
robust_error      the same: the share of attacked validation images that they get wrong (trials.attack)
transported_bits  per weight, where rules are chosen
-naswot           of candidates that are not: the negative of a score of trials.scores, whose larger values are meant
                  to be better
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...engine.errors import did_you_mean

if TYPE_CHECKING:
    from ..config import SearchConfig


ROBUST = "robust_error"


def negative(score: str) -> str:
    """The objective that a score makes: "-naswot"."""
    return f"-{score}"


def usual_objectives(objectives: Sequence[str], scores: Sequence[str]) -> list[str]:
    """All scores, where there are several and nothing else was asked for."""
    return (
        [negative(s) for s in scores]
        if len(scores) > 1 and list(objectives) == ["objective"]
        else list(objectives)
    )


def known_objectives(config: SearchConfig) -> list[str]:
    if config.table is not None:
        return ["objective", "parameters"]
    scores = config.trials.scores if config.trials else []
    if not scores:
        return ["objective", "parameters", "validation_loss", ROBUST, "transported_bits"]
    one = ["objective"] if len(scores) == 1 else []
    return [*one, *map(negative, scores), "parameters", "transported_bits"]


def chosen_by_attack(config: SearchConfig) -> bool:
    """Whether something asks for the accuracy under attack."""
    asked = [config.trials.objective] if config.trials else []
    return ROBUST in [*asked, *(config.ga.objectives if config.ga else [])]


def check_objectives(config: SearchConfig) -> None:
    """Raises ValueError for names that these candidates do not have."""
    if config.ga is None:
        return
    known = known_objectives(config)
    for name in config.ga.objectives:
        if name not in known:
            raise ValueError(
                f"ga.objectives: {name} is not known of these candidates, but {', '.join(known)}. "
                f"{did_you_mean(name, known)}".rstrip()
            )
    if len(set(config.ga.objectives)) < len(config.ga.objectives):
        raise ValueError("ga.objectives names one twice")
