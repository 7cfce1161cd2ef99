"""A genetic search after Evolutive-NAS (Reolon 2021), on genomes with one alternative a decision.

    parents     each the better of two drawn from the living, by their order below
    crossover   uniform: every decision from one parent or the other; the rates are averaged
    rates       r ← clip(r · exp(N(0, τ²))): how often this one's children change, swap or shrink a decision
    mutation    change: another alternative; swap: two decisions exchange theirs; shrink: nothing on this edge
    survivors   the best of each score, the front that no other dominates, then by the sum of ranks
    aging       who has lived through `age` generations leaves, the best one too
    tournament  after every `darts_every`-th generation the living learn as one supernet (trials/tournament.py), and the
                half of them with the larger shares goes on, these shares their order until the next generation

In the original a genome holds the channels of every operation on an edge, `c1|c2|…|cn`. Where an edge has one
operation, as here, these strings are all of the form 0|…|C|…|0, moving channels is changing the operation, and
shrinking ends at nothing. Its tournaments are after every third generation.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...engine.random import Key, bits, normal
from .pareto import survivors
from .strategy import Genome, Score, Spec, Strategy, below, chances, first_genomes, other, spec_of

CHANGE, SWAP, SHRINK = range(3)
FIRST_RATES, LEAST, MOST = (0.12, 0.05, 0.01), 0.01, 0.3  # of each decision
LEARNING = 0.3  # τ


@dataclass(frozen=True)
class Individual:
    genome: Genome
    rates: NDArray[np.floating]
    scores: tuple[float, ...] = ()
    age: int = 0


class GeneticSearch(Strategy):
    """objectives: names of scores to minimise. nothing: of each decision the alternative without a connection, or
    None where there is none and nothing shrinks. starts: the first of the population."""

    def __init__(
        self,
        sizes: Sequence[int],
        key: Key,
        population: int,
        children: int,
        age: int,
        tournament: int = 2,
        objectives: Sequence[str] = ("objective",),
        nothing: int | None = None,
        starts: Sequence[Genome] = (),
        darts_every: int = 0,
    ) -> None:
        self.starts, self.darts_every, self.contest = starts, darts_every, False
        self.sizes, self.key, self.age = tuple(sizes), key.to("ga"), age
        self.population, self.children, self.tournament = population, children, tournament
        self.objectives, self.nothing, self.generation = tuple(objectives), nothing, 0
        self.living: list[Individual] = []  # best first
        self.asked: list[Individual] = []

    def ask(self) -> list[Spec]:
        if self.contest:
            return [{"contestants": [list(one.genome) for one in self.living]}]
        count = self.children if self.living else self.population
        keys = [self.key.to(f"generation{self.generation}/{n}") for n in range(count)]
        self.asked = [self._child(key) for key in keys] if self.living else self._first(keys)
        return [spec_of(one.genome) for one in self.asked]

    def tell(self, scores: Sequence[Score]) -> None:
        if self.contest:
            self._decided(scores[0])
            return
        told = [self._objectives_of(score) for score in scores]
        new = [replace(one, scores=found) for one, found in zip(self.asked, told, strict=True)]
        old = [replace(one, age=one.age + 1) for one in self.living if one.age + 1 < self.age]
        pool = list({one.genome: one for one in [*old, *new]}.values())  # the youngest of the same genome
        kept = survivors([one.scores for one in pool], self.population)
        self.living = [pool[i] for i in kept]
        self.generation += 1
        due = self.darts_every > 0 and self.generation % self.darts_every == 0
        self.contest = due and len(self.living) > 1

    def _decided(self, score: Score) -> None:
        """The better half of the contestants, the best first; nobody leaves by a tournament that failed."""
        self.contest = False
        if "failed" not in score:
            order = np.argsort(-np.array(score["shares"]), kind="stable")
            self.living = [self.living[i] for i in order[: (len(order) + 1) // 2]]

    def _objectives_of(self, score: Score) -> tuple[float, ...]:
        """The last one by every objective where the candidate failed."""
        return tuple(math.inf if "failed" in score else float(score[name]) for name in self.objectives)

    def _first(self, keys: Sequence[Key]) -> list[Individual]:
        drawn = first_genomes(self.starts, self.sizes, keys)
        return [Individual(genome, np.array(FIRST_RATES)) for genome in drawn]

    def _child(self, key: Key) -> Individual:
        mother, father = self._parent(key.to("mother")), self._parent(key.to("father"))
        noise = normal(key.to("rates"), (3,), LEARNING, np.float64)
        rates = np.clip((mother.rates + father.rates) / 2 * np.exp(noise), LEAST, MOST)
        halves = chances(len(self.sizes), key.to("crossover")) < 0.5
        genome = [a if m else b for a, b, m in zip(mother.genome, father.genome, halves, strict=True)]
        return Individual(self._mutated(genome, rates, key), rates)

    def _parent(self, key: Key) -> Individual:
        drawn = bits(key, self.tournament) % np.uint64(len(self.living))
        return self.living[int(drawn.min())]

    def _mutated(self, genome: list[int], rates: NDArray[np.floating], key: Key) -> Genome:
        u = chances(3 * len(genome), key.to("mutation")).reshape(3, -1)
        for place, size in enumerate(self.sizes):
            own = key.to(str(place))
            if u[CHANGE, place] < rates[CHANGE]:
                genome[place] = other(size, genome[place], own.to("alternative"))
            if u[SWAP, place] < rates[SWAP]:
                partner = below(len(genome), own.to("partner"))
                if self.sizes[partner] == size:
                    genome[place], genome[partner] = genome[partner], genome[place]
            if u[SHRINK, place] < rates[SHRINK] and self.nothing is not None:
                genome[place] = self.nothing
        return tuple(genome)
