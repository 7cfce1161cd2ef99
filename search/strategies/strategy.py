"""The contract between a search strategy and whatever evaluates its candidates.

    asked = strategy.ask()                                  specifications; [] at the strategy's own end
    strategy.tell([evaluate(spec) for spec in asked])       their scores, in the order asked

A candidate's score is a pure function of its specification, and a strategy a pure function of its settings, its key
and what it was told. So the journal of specifications and scores is all that a resumed search needs, and who
evaluates, and when, changes nothing.

A specification is JSON: {"genome": [...]} the chosen alternative of each decision, or {"x": [...]} a point; and
{"budget": b} where candidates are trained for more than one length. A score holds "objective", to be minimised,
and whatever else was measured. {"contestants": [[...], ...]}, genomes, is no candidate but a tournament of several;
its score holds "shares", theirs of what they make together. A score with "failed" has no result.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...engine.random import Key, bits, uniform

Spec = dict[str, Any]
Score = dict[str, Any]
Genome = tuple[int, ...]


class Strategy(ABC):
    """Asks for a batch, all of which may be evaluated at once, and is told before it asks again."""

    @abstractmethod
    def ask(self) -> list[Spec]: ...

    @abstractmethod
    def tell(self, scores: Sequence[Score]) -> None:
        """The scores of the whole batch that was asked for last, in its order."""


def random_genome(sizes: Sequence[int], key: Key) -> Genome:
    """One alternative of each decision, uniformly."""
    words = bits(key, len(sizes))
    return tuple(int(word % np.uint64(size)) for word, size in zip(words, sizes, strict=True))


def first_genomes(starts: Sequence[Genome], sizes: Sequence[int], keys: Sequence[Key]) -> list[Genome]:
    """As many as there are keys: those that a search is to start with, then random ones, each of its own key."""
    return [starts[n] if n < len(starts) else random_genome(sizes, key) for n, key in enumerate(keys)]


def below(size: int, key: Key) -> int:
    """A uniform integer of range(size), by a 64-bit word modulo size: the bias is below size·2⁻⁶⁴."""
    return int(bits(key, 1)[0] % np.uint64(size))


def chances(count: int, key: Key) -> NDArray[np.floating]:
    """(count,) uniform numbers of [0, 1)."""
    return uniform(key, (count,), dtype=np.float64)


def other(size: int, than: int, key: Key) -> int:
    """A uniform alternative that is another one; `than` itself where there is no other."""
    return than if size == 1 else (than + 1 + below(size - 1, key)) % size


def is_candidate(spec: Spec) -> bool:
    return "contestants" not in spec


def spec_of(genome: Sequence[int]) -> Spec:
    return {"genome": [int(k) for k in genome]}
