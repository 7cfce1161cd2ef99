"""Successive halving (Jamieson & Talwalkar 2016): many candidates briefly, the best of them for longer.

    n_0 random genomes with budget b_0; the best n_i = max(1, n_0·b_0/b_i) of them with budget b_i, i = 1, 2, …

so that every rung costs the same. All who are as good as the last one kept are kept: a tie is not broken by chance.
"""

from collections.abc import Sequence

from ...engine.random import Key
from .strategy import Genome, Score, Spec, Strategy, random_genome, spec_of


class SuccessiveHalving(Strategy):
    """budgets ascending; `limit` is what all rungs together may cost, in units of b_0. starts: to begin with, before
    the random ones."""

    def __init__(
        self,
        sizes: Sequence[int],
        key: Key,
        budgets: Sequence[int],
        limit: int,
        starts: Sequence[Genome] = (),
    ) -> None:
        self.key, self.budgets, self.rung = key.to("halving"), list(budgets), 0
        self.living = _distinct(starts, sizes, self.key, max(1, limit // len(budgets)))
        self._first = len(self.living)

    def ask(self) -> list[Spec]:
        if self.rung == len(self.budgets):
            return []
        return [spec_of(genome) | {"budget": self.budgets[self.rung]} for genome in self.living]

    def tell(self, scores: Sequence[Score]) -> None:
        self.rung += 1
        if self.rung == len(self.budgets):
            return
        keep = max(1, self._first * self.budgets[0] // self.budgets[self.rung])
        values = [float(score["objective"]) for score in scores]
        last = sorted(values)[min(keep, len(values)) - 1]
        self.living = [genome for genome, value in zip(self.living, values, strict=True) if value <= last]


def _distinct(starts: Sequence[Genome], sizes: Sequence[int], key: Key, count: int) -> list[Genome]:
    """`count` different genomes, or as many as 20·count draws give; those of `starts` first."""
    drawn = (random_genome(sizes, key.to(f"genome{n}")) for n in range(20 * count))
    return list(dict.fromkeys([*starts, *drawn]))[:count]
