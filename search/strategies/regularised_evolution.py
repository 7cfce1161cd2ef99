"""Regularised evolution (Real, Aggarwal, Huang & Le 2019): the oldest dies, however good it is.

population of P; again and again: draw S of them, mutate the best of these, add the child, remove the oldest
mutation: one decision, uniform, takes another alternative, uniform
"""

from collections import deque
from collections.abc import Sequence

from ...engine.random import Key, permutation
from .strategy import Genome, Score, Spec, Strategy, below, first_genomes, other, spec_of


class RegularisedEvolution(Strategy):
    """population P, sample S ≤ P, drawn without replacement. Ties go to the older one.

    children: asked for at once, of the same living; with one it is the published algorithm. starts: the first of the
    population.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        key: Key,
        population: int,
        sample: int,
        children: int = 1,
        starts: Sequence[Genome] = (),
    ) -> None:
        self.starts = starts
        self.sizes, self.key, self.at_once = tuple(sizes), key.to("evolution"), children
        self.population, self.sample = population, min(sample, population)
        self.living: deque[tuple[Genome, float]] = deque(maxlen=population)  # appending drops the oldest
        self.asked: list[Genome] = []
        self.children = 0

    def ask(self) -> list[Spec]:
        if not self.living:
            keys = [self.key.to(f"first{n}") for n in range(self.population)]
            self.asked = first_genomes(self.starts, self.sizes, keys)
        else:
            self.asked = [self._child() for _ in range(self.at_once)]
        return [spec_of(genome) for genome in self.asked]

    def tell(self, scores: Sequence[Score]) -> None:
        self.living.extend(
            (genome, float(score["objective"])) for genome, score in zip(self.asked, scores, strict=True)
        )

    def _child(self) -> Genome:
        self.children += 1
        key = self.key.to(f"child{self.children}")
        drawn = sorted(permutation(key.to("sample"), len(self.living))[: self.sample])
        parent = min((self.living[i] for i in drawn), key=lambda one: one[1])[0]
        place = below(len(self.sizes), key.to("place"))
        changed = other(self.sizes[place], parent[place], key.to("alternative"))
        return (*parent[:place], changed, *parent[place + 1 :])
