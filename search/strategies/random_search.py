"""Random search: what every other strategy has to beat."""

from collections.abc import Sequence

from ...engine.random import Key
from .strategy import Score, Spec, Strategy, random_genome, spec_of

BATCH = 16


class RandomSearch(Strategy):
    """Uniform genomes, without an end of its own."""

    def __init__(self, sizes: Sequence[int], key: Key) -> None:
        self.sizes, self.key, self.asked = tuple(sizes), key.to("random"), 0

    def ask(self) -> list[Spec]:
        numbers = range(self.asked, self.asked + BATCH)
        self.asked += BATCH
        return [spec_of(random_genome(self.sizes, self.key.to(f"genome{n}"))) for n in numbers]

    def tell(self, scores: Sequence[Score]) -> None:
        """Nothing is learned."""
