"""Scores from several others at once: their order, and a stop."""

from threading import Event
from typing import Any

import pytest
from bionas_cupy.search.strategies.strategy import Score, Spec
from bionas_cupy.search.trials.in_order import InOrder
from bionas_cupy.search.trials.laboratory import Abandoned


class Two(InOrder):
    """The first candidate waits for the second."""

    def __init__(self, *given: Any) -> None:
        super().__init__(2, *given)
        self.second = Event()

    def score(self, spec: Spec) -> Score:
        self.second.wait(60) if spec["number"] == 0 else self.second.set()
        return {"objective": float(spec["number"])}


SPECS: list[Spec] = [{"number": k} for k in range(4)]


def test_told_as_asked() -> None:
    with Two() as two:
        assert [score["objective"] for score in two.scores(SPECS)] == [0, 1, 2, 3]


def test_a_stop_is_seen_however_fast_the_scores_come() -> None:
    told: list[Score] = []
    with Two(lambda: len(told) == 2) as two:
        scores = two.scores(SPECS)
        told += [next(scores), next(scores)]
        with pytest.raises(Abandoned):
            next(scores)
