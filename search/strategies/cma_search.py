"""CMA-ES (Hansen & Ostermeier 2001) by the package `cma`, its random numbers functions of a key.

`cma` would reseed NumPy's global generator, and takes a fitness that is not finite without a word: neither happens
here.
"""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...engine.errors import DivergedError
from ...engine.random import Key, Shape, normal
from .strategy import Score, Spec, Strategy

Point = NDArray[np.float64]


class CmaSearch(Strategy):
    """Minimises over points x (D,), from `start`, with full covariance and generations of `population`."""

    def __init__(self, start: Point, sigma: float, key: Key, population: int | None = None) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it misses a plotting library, which it is not asked to use
            import cma  # type: ignore[import-untyped, unused-ignore]  # over a second

        self.key, self._draws = key.to("cma"), 0
        options: dict[str, Any] = {"seed": np.nan, "randn": self._normal, "verbose": -9, "verb_log": 0}
        if population is not None:
            options["popsize"] = population
        self.es = cma.CMAEvolutionStrategy(np.asarray(start, np.float64), sigma, options)
        self.points: list[Point] = []

    def sample(self) -> list[Point]:
        """The next generation."""
        self.points = [np.asarray(point, np.float64) for point in self.es.ask()]
        return self.points

    def adapt(self, fitness: Sequence[float]) -> None:
        """Move mean, step size and covariance by the fitness of the generation. DivergedError for NaN."""
        if not np.isfinite(fitness).all():
            raise DivergedError(
                "CMA-ES was told a fitness that is not finite.", "See the journal's last lines."
            )
        self.es.tell(self.points, [float(f) for f in fitness])

    def ask(self) -> list[Spec]:
        return [] if self.es.stop() else [{"x": point.tolist()} for point in self.sample()]

    def tell(self, scores: Sequence[Score]) -> None:
        self.adapt([score["objective"] for score in scores])

    def _normal(self, *shape: int) -> NDArray[np.floating]:
        self._draws += 1
        drawn: Shape = tuple(int(n) for n in shape)
        return normal(self.key.to("draw", step=self._draws), drawn, dtype=np.float64)
