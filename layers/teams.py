"""Two teams that share the work of a layer, so that two threads can take one each.

Who is in which team, and in which order a team works, depends on sizes alone: whatever the number of threads, the
results are the same bits as long as each team writes to places of its own.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial

import numpy as np

from ..engine.backend import Array
from ..engine.kernels.threads import both
from ..engine.lanes import is_built_in
from ..engine.rule import Rule
from ..engine.step import Step

LARGE = 1 << 16  # floats of a map from which two teams side by side gain more than they wait for each other
Team = tuple[int, ...]


class Teams:
    """costs: of each member's work. rules: all that may be asked during it."""

    def __init__(self, costs: Sequence[float], rules: Iterable[Rule]) -> None:
        self.first, self.second = _split(costs)
        self._built_in = all(map(is_built_in, rules))

    def each(self, work: Callable[[Team], None], x: Array, step: Step) -> None:
        """work(team) for both: side by side on large maps, but never a user's own code on two threads at once."""
        first, second = partial(work, self.first), partial(work, self.second)
        if isinstance(x, np.ndarray) and x.size >= LARGE and self._built_in and not step.probes:
            both(first, second)
        else:
            first()
            second()


def _split(costs: Sequence[float]) -> tuple[Team, Team]:
    """The most costly first, each to the team that has the least to do so far."""
    teams: tuple[list[int], list[int]] = ([], [])
    for k in sorted(range(len(costs)), key=lambda k: -costs[k]):
        min(teams, key=lambda team: sum(costs[i] for i in team)).append(k)
    return tuple(teams[0]), tuple(teams[1])
