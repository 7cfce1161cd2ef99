"""Random search: what every other strategy has to beat."""

from collections.abc import Sequence

from ...engine.random import Key
from .strategy import Genome, Score, Spec, Strategy, first_genomes, spec_of

BATCH = 16


class RandomSearch(Strategy):
    """Uniform genomes, without an end of its own, after those of `starts`."""

    def __init__(self, sizes: Sequence[int], key: Key, starts: Sequence[Genome] = ()) -> None:
        self.sizes, self.key, self.asked = tuple(sizes), key.to("random"), 0
        self.starts = list(starts)

    def ask(self) -> list[Spec]:
        numbers = range(self.asked, self.asked + BATCH)
        self.asked += BATCH
        drawn = first_genomes(self.starts, self.sizes, [self.key.to(f"genome{n}") for n in numbers])
        self.starts = []
        return [spec_of(genome) for genome in drawn]

    def tell(self, scores: Sequence[Score]) -> None:
        """Nothing is learned."""
