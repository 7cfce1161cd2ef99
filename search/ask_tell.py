"""The loop between a strategy and an evaluator: journal, budget, replay.

A candidate that was evaluated before is not evaluated again: its score is a pure function of its specification, so
the strategy is told what is known, and nothing is spent. The journal has one line for each evaluated candidate; a
resumed search asks its strategy anew and takes the scores from there, so that it goes on with the same bits.
"""

import json
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from ..engine.errors import CheckpointError, DivergedError
from ..engine.seal import CURE
from .strategies.strategy import Score, Spec, Strategy

PATIENCE = 1000  # candidates in a row that were all seen before: the strategy has nothing new to ask


class Trial(NamedTuple):
    """One evaluated candidate. spent: the cost of all evaluations up to and with this one."""

    number: int
    spec: Spec
    score: Score
    spent: float

    def to_json(self) -> dict[str, Any]:
        """Its line in the journal."""
        return {"candidate": self.number, "spec": self.spec, "score": self.score}


class Evaluator(Protocol):
    """Who finds the scores."""

    def evaluate(self, specs: Sequence[Spec]) -> Iterator[Score]:
        """Their scores, each as soon as it and all before it are known."""

    def cost(self, spec: Spec) -> float:
        """What one evaluation takes of the budget."""


class Exploration:
    """limit: what all evaluations may cost. known: the journal's lines of an earlier part of this search."""

    def __init__(
        self, strategy: Strategy, evaluator: Evaluator, limit: float, known: Sequence[dict[str, Any]] = ()
    ) -> None:
        self.strategy, self.evaluator, self.limit = strategy, evaluator, limit
        self.trials: list[Trial] = []
        self.asked = 0
        self._known, self._scores, self._idle = list(known), dict[str, Score](), 0

    @property
    def spent(self) -> float:
        return self.trials[-1].spent if self.trials else 0.0

    @property
    def best(self) -> Trial:
        return best_of(self.trials)

    def run(self, told: Callable[[Trial, bool], None] = lambda *_: None) -> None:
        """Until the budget is spent or the strategy ends. told(trial, whether it is new) after each evaluation.

        Raises CheckpointError where the journal is of another search, DivergedError for a score that is not finite.
        """
        while self._idle < PATIENCE:
            asked = self.strategy.ask()
            self.asked += len(asked)
            fresh, whole = self._affordable(asked)
            if not asked or not (whole or fresh):
                return
            self._idle = 0 if fresh else self._idle + len(asked)
            self._evaluate(fresh, told)
            if not whole:
                return
            self.strategy.tell([self._scores[_name(spec)] for spec in asked])

    def _affordable(self, asked: Sequence[Spec]) -> tuple[list[Spec], bool]:
        """The new ones of a batch that the budget allows, and whether these are all."""
        fresh: list[Spec] = []
        spent = self.spent
        for spec in {_name(spec): spec for spec in asked if _name(spec) not in self._scores}.values():
            spent += self.evaluator.cost(spec)
            if spent > self.limit * (1 + 1e-9):
                return fresh, False
            fresh.append(spec)
        return fresh, True

    def _evaluate(self, fresh: Sequence[Spec], told: Callable[[Trial, bool], None]) -> None:
        replayed = [self._replay(spec) for spec in fresh[: len(self._known)]]
        for spec, score in zip(fresh, replayed, strict=False):
            self._take(spec, score, told, False)
        rest = fresh[len(replayed) :]
        for spec, score in zip(rest, self.evaluator.evaluate(rest) if rest else (), strict=True):
            self._take(spec, score, told, True)

    def _replay(self, spec: Spec) -> Score:
        line = self._known.pop(0)
        if line["spec"] != spec:
            raise CheckpointError(
                f"The journal's candidate {line['candidate']} is {line['spec']}, and the search asks for {spec}.",
                CURE,
            )
        return dict(line["score"])

    def _take(self, spec: Spec, score: Score, told: Callable[[Trial, bool], None], new: bool) -> None:
        if not all(math.isfinite(value) for value in score.values() if isinstance(value, float)):
            raise DivergedError(
                f"Candidate {len(self.trials)}, {spec}, has the score {score}.", "Use lower rates."
            )
        self._scores[_name(spec)] = score
        self.trials.append(Trial(len(self.trials), spec, score, self.spent + self.evaluator.cost(spec)))
        told(self.trials[-1], new)


def best_of(trials: Sequence[Trial]) -> Trial:
    """Of those with the largest budget the one of the least objective, the earliest of equal ones."""
    return min(trials, key=_merit)


def _name(spec: Spec) -> str:
    return json.dumps(spec, sort_keys=True)


def _merit(trial: Trial) -> tuple[float, float, int]:
    return -float(trial.spec.get("budget", 0)), float(trial.score["objective"]), trial.number
