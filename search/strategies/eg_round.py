"""A round of EG-NAS (Cai et al. 2024): from the architecture weights α, N searches, their leaders, a step.

    x_n = c + σ·N(0, I), n = 1 … N                        N start points that differ; c = α
    from each a CMA-ES: λ points z a generation, G full generations, the covariance adapting in between
    f(z) = L(z) + η·sim   if z is at least as accurate as α,  else  L(z) − η·sim,      sim = (cos(c, z) + 1)/2
    s_n the point of the least f of search n;  s the most accurate s_n;  α ← α + ξ·s

A point is a row of weights for each decision, one after the other: `sizes`. What the released code does otherwise is
a setting: c = softmax(α) (`centre`), σ of the start points and of the CMA-ES apart (`spread`, `sigma`), points of unit
length in each decision (`unit`), sim as the mean over decisions (`similarity`), a move by softmax(s) (`step`). Not
offered: its N searches with one seed, and the second softmax of weights that are a softmax already.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ...engine.random import Key, normal
from ..strategy_config import Guided
from .cma_search import CmaSearch, Point


class Leader(NamedTuple):
    """The best point of a search: f, its error, by which accuracies compare, its L, and which of the round it is."""

    fitness: float
    error: float
    loss: float
    number: int
    point: Point


class Round:
    """settings: N, λ, G and how the paper is read. sample() and tell() for each of the G generations; then `alpha`."""

    def __init__(self, alpha: Point, sizes: Sequence[int], key: Key, settings: Guided) -> None:
        self.start, self.sizes, self.settings = alpha, tuple(sizes), settings
        self.centre = softmax_of(alpha, sizes) if settings.centre == "probabilities" else alpha
        self.error = np.inf  # of α
        self.generation = 0
        sigma = settings.spread if settings.sigma is None else settings.sigma
        self.searches = [
            CmaSearch(self._start(search), sigma, search, settings.population)
            for search in (key.to(f"search{n}") for n in range(settings.searches))
        ]
        self.leaders = [Leader(np.inf, np.inf, np.inf, -1, alpha)] * len(self.searches)

    def _start(self, key: Key) -> Point:
        drawn = normal(key.to("start"), self.centre.shape, self.settings.spread, np.float64)
        return np.asarray(self.centre + drawn)

    @property
    def finished(self) -> bool:
        return self.generation == self.settings.generations

    def sample(self) -> list[Point]:
        """The next generation of all searches, one search after the other: N·λ points as they are to be judged."""
        return [self.judged(z) for search in self.searches for z in search.sample()]

    def judged(self, z: Point) -> Point:
        return unit_of(z, self.sizes) if self.settings.unit else z

    def tell(self, losses: Sequence[float], errors: Sequence[float]) -> None:
        """L and the error of each point of `sample`, in its order."""
        size, before = self.settings.population, self.generation * len(losses)
        for n, search in enumerate(self.searches):
            points, first = [self.judged(z) for z in search.points], n * size
            told = list(zip(losses[first : first + size], errors[first : first + size], points, strict=True))
            fitness = [self.fitness(*each) for each in told]
            best = int(np.argmin(fitness))
            loss, error, z = told[best]
            found = Leader(fitness[best], error, loss, before + first + best, z)
            self.leaders[n] = min(self.leaders[n], found, key=lambda leader: leader.fitness)
            search.adapt(fitness)
        self.generation += 1

    def fitness(self, loss: float, error: float, z: Point) -> float:
        """f(z), to be minimised."""
        s = self.settings
        sim = (
            similarity(self.centre, z)
            if s.similarity == "whole"
            else similarity_of(self.centre, z, self.sizes)
        )
        return loss + (1.0 if error <= self.error else -1.0) * s.diversity * sim

    @property
    def leader(self) -> Leader:
        """The most accurate of the leaders; of equal ones that of the least loss, the first."""
        return min(self.leaders, key=lambda leader: (leader.error, leader.loss))

    @property
    def alpha(self) -> Point:
        """α after the step."""
        s = self.leader.point
        moves = {"point": s, "difference": s - self.start, "probabilities": softmax_of(s, self.sizes)}
        return np.asarray(self.start + self.settings.move * moves[self.settings.step])


def similarity(a: Point, b: Point) -> float:
    """(cos(a, b) + 1)/2: 1 for the same direction, 0 for opposite ones, ½ where one is 0."""
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    return (float(a @ b) / lengths + 1) / 2 if lengths else 0.5


def similarity_of(a: Point, b: Point, sizes: Sequence[int]) -> float:
    """The mean of the similarities of each decision."""
    return float(
        np.mean([similarity(*rows) for rows in zip(rows_of(a, sizes), rows_of(b, sizes), strict=True)])
    )


def rows_of(point: Point, sizes: Sequence[int]) -> list[Point]:
    """The weights of each decision."""
    return np.split(point, np.cumsum(sizes)[:-1])


def softmax_of(point: Point, sizes: Sequence[int]) -> Point:
    """The softmax of each decision's weights."""
    exp = [np.exp(row - row.max()) for row in rows_of(point, sizes)]
    return np.concatenate([row / row.sum() for row in exp])


def unit_of(point: Point, sizes: Sequence[int]) -> Point:
    """Each decision's weights scaled to length 1."""
    rows = rows_of(point, sizes)
    return np.concatenate([row / max(float(np.linalg.norm(row)), 1e-300) for row in rows])
