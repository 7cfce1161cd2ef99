"""EG-NAS's search (Cai et al. 2024) over continuous architecture weights α, without a supernet: eg_round.py.

A point's candidate takes, for each decision, the alternative of the largest weight. L, and the error by which
accuracies compare, are the score's objective.
"""

from collections.abc import Sequence

import numpy as np

from ...engine.random import Key, normal
from ..strategy_config import Guided
from .cma_search import Point
from .eg_round import Round, rows_of
from .strategy import Genome, Score, Spec, Strategy, spec_of


class EvolutionGuided(Strategy):
    """Asks for α's own candidate, then for the generations of a round, and so on."""

    def __init__(self, sizes: Sequence[int], key: Key, settings: Guided) -> None:
        self.sizes, self.key, self.settings = tuple(sizes), key.to("eg"), settings
        self.alpha: Point = normal(self.key.to("alpha"), (sum(sizes),), 1e-3, np.float64).astype(np.float64)
        self.rounds = 0
        self.round: Round | None = None

    def ask(self) -> list[Spec]:
        if self.round is None:
            return [spec_of(self.genome(self.alpha))]
        return [spec_of(self.genome(point)) for point in self.round.sample()]

    def tell(self, scores: Sequence[Score]) -> None:
        losses = [float(score["objective"]) for score in scores]
        if self.round is None:
            self.round = Round(self.alpha, self.sizes, self.key.to(f"round{self.rounds}"), self.settings)
            self.round.error = losses[0]
            return
        self.round.tell(losses, losses)
        if self.round.finished:
            self.alpha, self.round, self.rounds = self.round.alpha, None, self.rounds + 1

    def genome(self, point: Point) -> Genome:
        """The alternative of the largest weight, the first of equal ones, for each decision."""
        return tuple(int(row.argmax()) for row in rows_of(point, self.sizes))
