"""Architecture weights α, the mixture that they make, and how a gradient reaches them.

    p[e] = softmax(α[e]) over the candidates k = (operation, rule) of edge e

Weight modes:
    own      each candidate has its own forward weights and is a lane: q_k = p_k
    shared   one forward weight an operation: q_o = Σ_r p_(o,r); the error goes down through Σ_r p_(r|o) B_r,
             p_(r|o) = p_(o,r)/q_o
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..engine import random
from ..engine.backend import Backend, array_module, cpu
from ..engine.lanes import Blend
from ..engine.random import Key
from ..engine.registry import make_rule
from ..engine.rule import Rule
from ..layers.mixed import OperationLanes
from .space import Candidate

Floats = NDArray[np.float64]


def edge_count(nodes: int) -> int:
    """Edges of a cell: node i has i + 2 predecessors."""
    return sum(i + 2 for i in range(nodes))


class Architecture:
    """α (2, edges, K): normal and reduction cells. It starts at 1e-3·N(0, 1), as in DARTS.

    α and all that is made of it, p(r|o) of the blends included, lie on the device: a step need not wait for it.
    """

    def __init__(
        self,
        candidates: Sequence[Candidate],
        nodes: int,
        key: Key,
        reduce_rule: Rule,
        shared: bool = False,
        backend: Backend | None = None,
    ) -> None:
        self.candidates, self.nodes, self.shared = list(candidates), nodes, shared
        self.operations = list(dict.fromkeys(c.operation for c in candidates))
        self.rules = [make_rule(c.rule) if c.rule else reduce_rule for c in candidates]
        place = backend or cpu()
        self.lanes = place.asarray(self._lane_of_candidate())
        self.bits = place.asarray(np.array([rule.bits for rule in self.rules], np.float64))
        order = self._by_operation()
        self._sorted = place.asarray(np.array(order))  # and the way back
        self._unsorted = place.asarray(np.argsort(order))
        shape = 2, edge_count(nodes), len(candidates)
        self.alpha: Floats = place.asarray(
            random.normal(key.to("alpha"), shape, 1e-3, np.float64), np.float64
        )
        self._blends: dict[tuple[int, int, str], Blend] = {}

    def _lane_of_candidate(self) -> NDArray[np.float64]:
        """(lanes, K): the 0/1 matrix with q = lanes · p."""
        if not self.shared:
            return np.eye(len(self.candidates))[self._by_operation()]
        return np.array([[float(c.operation == o) for c in self.candidates] for o in self.operations])

    def _by_operation(self) -> list[int]:
        return [k for o in self.operations for k in self._of(o)]

    def _of(self, operation: str) -> list[int]:
        return [k for k, c in enumerate(self.candidates) if c.operation == operation]

    def lanes_of_edge(self, reduction: bool, edge: int) -> list[OperationLanes]:
        """What a MixedEdge is built from. In shared mode each operation's rules are one Blend."""
        return [OperationLanes(o, self._lane_rules(int(reduction), edge, o)) for o in self.operations]

    def _lane_rules(self, kind: int, edge: int, operation: str) -> list[Rule]:
        rules = [self.rules[k] for k in self._of(operation)]
        if not self.shared:
            return rules
        return [self._blends.setdefault((kind, edge, operation), Blend(rules))]

    def probabilities(self) -> Floats:
        """p (2, edges, K)."""
        return softmax(self.alpha)

    def lane_weights(self) -> tuple[Floats, Floats]:
        """q (edges, lanes) of normal and of reduction cells; sets the blends to p(r|o)."""
        p = self.probabilities()
        q = self._per_lane(p)
        if self._blends:
            given = (p / self._per_candidate(q))[..., self._sorted]
            for (kind, edge, operation), blend in self._blends.items():
                blend.weights = given[kind, edge, self._place(operation)]
        return q[0], q[1]

    def _per_lane(self, a: Floats) -> Floats:
        """a · lanesᵀ (2, edges, lanes): summed over the candidates of each; cuBLAS could not be captured in a graph."""
        summed: Floats = (a[..., None, :] * self.lanes).sum(axis=-1)
        return summed

    def _per_candidate(self, a: Floats) -> Floats:
        """a · lanes (2, edges, K): each candidate gets what its lane has."""
        spread: Floats = (a[..., None] * self.lanes).sum(axis=-2)
        return spread

    def _place(self, operation: str) -> slice:
        """Where the operation's candidates lie, sorted by operation."""
        before = self.operations[: self.operations.index(operation)]
        start = sum(len(self._of(o)) for o in before)
        return slice(start, start + len(self._of(operation)))

    def gradient(
        self, dq: tuple[Floats, Floats], dblend: dict[Blend, Floats] | None = None, dp: Floats | float = 0.0
    ) -> Floats:
        """∂L/∂α from ∂L/∂q, from ∂L/∂p(r|o) of each blend, and from what depends on p directly (the price)."""
        p, xp = self.probabilities(), array_module(self.alpha)
        total = self._per_candidate(xp.stack(dq)) + dp
        if dblend:
            total += self._through_blends(p, dblend)
        chained: Floats = p * (total - (p * total).sum(axis=-1, keepdims=True))
        return chained

    def _through_blends(self, p: Floats, dblend: dict[Blend, Floats]) -> Floats:
        """∂L/∂p_(o,r) = (∂L/∂p(r|o) - Σ_s p(s|o) ∂L/∂p(s|o)) / q_o."""
        d, q = array_module(p).zeros_like(p), self._per_candidate(self._per_lane(p))
        for (kind, edge, operation), blend in self._blends.items():
            if blend in dblend:
                d[kind, edge, self._place(operation)] = dblend[blend]
        d = d[..., self._unsorted]
        through: Floats = (d - self._per_candidate(self._per_lane(p / q * d))) / q
        return through


def softmax(alpha: Floats) -> Floats:
    """Over the last axis."""
    exp = array_module(alpha).exp(alpha - alpha.max(axis=-1, keepdims=True))
    p: Floats = exp / exp.sum(axis=-1, keepdims=True)
    return p
