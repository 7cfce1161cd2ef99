"""EG-NAS's search (Cai et al. 2024) over continuous architecture weights α, without a supernet.

    x_n = α + σ·N(0, I), n = 1 … N                        N start points that differ
    from each a CMA-ES: λ points z a generation, G full generations, the covariance adapting in between
    f(z) = L(z) + η·sim   if L(z) ≤ L(α),  else  L(z) − η·sim,      sim = (cos(α, z) + 1)/2
    s_n the point of the least f of search n;  s the s_n of the least L;  α ← α + ξ·s

A point's candidate takes, for each decision, the alternative of the largest weight. L is the score's objective.
Where the paper is ambiguous: it moves by the point itself (`step` "point"); "difference" moves by s − α. Its text
says that sim is 1 for opposite directions, its formula that it is 1 for equal ones: the formula is used. The released
code makes one generation of N identical searches; G = 1 with one search is that.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from ...engine.random import Key, normal
from .cma_search import CmaSearch, Point
from .strategy import Genome, Score, Spec, Strategy, spec_of


class EvolutionGuided(Strategy):
    """searches N, population λ, generations G, spread σ (of start points and of each CMA-ES), move ξ, diversity η."""

    def __init__(
        self,
        sizes: Sequence[int],
        key: Key,
        *,
        searches: int,
        population: int,
        generations: int,
        spread: float,
        move: float,
        diversity: float,
        step: Literal["point", "difference"] = "point",
    ) -> None:
        self.sizes, self.key = tuple(sizes), key.to("eg")
        self.count, self.population, self.generations = searches, population, generations
        self.spread, self.move, self.diversity, self.step = spread, move, diversity, step
        self.alpha: Point = normal(self.key.to("alpha"), (sum(sizes),), 1e-3, np.float64).astype(np.float64)
        self.round = self.generation = 0
        self.centre: float | None = None  # L(α)
        self.searches: list[CmaSearch] = []
        self.leaders: list[tuple[float, float, Point]] = []  # of each search: f, L, and the point

    def ask(self) -> list[Spec]:
        if self.centre is None:
            return [spec_of(self.genome(self.alpha))]
        if self.generation == 0:
            self._begin_round()
        points = [point for search in self.searches for point in search.sample()]
        return [spec_of(self.genome(point)) for point in points]

    def tell(self, scores: Sequence[Score]) -> None:
        losses = [float(score["objective"]) for score in scores]
        if self.centre is None:
            self.centre = losses[0]
            return
        for n, search in enumerate(self.searches):
            own = losses[n * self.population : (n + 1) * self.population]
            fitness = [self.fitness(loss, point) for loss, point in zip(own, search.points, strict=True)]
            search.adapt(fitness)
            best = int(np.argmin(fitness))
            self.leaders[n] = min(
                self.leaders[n], (fitness[best], own[best], search.points[best]), key=lambda one: one[0]
            )
        self.generation += 1
        if self.generation == self.generations:
            self._end_round()

    def genome(self, point: Point) -> Genome:
        """The alternative of the largest weight, the first of equal ones, for each decision."""
        parts = np.split(point, np.cumsum(self.sizes)[:-1])
        return tuple(int(part.argmax()) for part in parts)

    def fitness(self, loss: float, point: Point) -> float:
        """f(z), to be minimised."""
        assert self.centre is not None
        sign = 1.0 if loss <= self.centre else -1.0
        return loss + sign * self.diversity * similarity(self.alpha, point)

    def _begin_round(self) -> None:
        self.searches = []
        for n in range(self.count):
            key = self.key.to(f"round{self.round}/search{n}")
            start = self.alpha + normal(key.to("start"), self.alpha.shape, self.spread, np.float64)
            self.searches.append(CmaSearch(start, self.spread, key, self.population))
        self.leaders = [(np.inf, np.inf, self.alpha)] * self.count

    def _end_round(self) -> None:
        _, _, s = min(self.leaders, key=lambda leader: leader[1])
        self.alpha = self.alpha + self.move * (s if self.step == "point" else s - self.alpha)
        self.round, self.generation, self.centre = self.round + 1, 0, None


def similarity(a: Point, b: Point) -> float:
    """(cos(a, b) + 1)/2: 1 for the same direction, 0 for opposite ones, ½ where one is 0."""
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    return (float(a @ b) / lengths + 1) / 2 if lengths else 0.5
