"""A space of six decisions, and strategies over it."""

from collections.abc import Iterator, Sequence

from bionas_cupy.search.strategies.strategy import Score, Spec

SIZES = (5, 5, 4, 5, 3, 5)


class Hidden:
    """The number of decisions that differ from a hidden genome, lower with a larger budget; counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def evaluate(self, specs: Sequence[Spec]) -> Iterator[Score]:
        for spec in specs:
            self.calls += 1
            g = spec["genome"]
            wrong = sum(a != b for a, b in zip(g, (1, 3, 2, 0, 2, 4), strict=True))
            loss = wrong + 0.01 * sum(g) / spec.get("budget", 1)
            yield {"objective": loss, "parameters": float(sum(g))}

    def cost(self, spec: Spec) -> float:
        return float(spec.get("budget", 1))
