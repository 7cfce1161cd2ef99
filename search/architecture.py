"""Architecture weights α, the mixture that they make, and how a gradient reaches them.

    p[e] = softmax(α[e]) over the candidates k = (operation, rule) of edge e

Weight modes:
    own      each candidate has its own forward weights and is a lane: q_k = p_k
    shared   one forward weight an operation: q_o = Σ_r p_(o,r); the error goes down through Σ_r p_(r|o) B_r,
             p_(r|o) = p_(o,r)/q_o

With edge weights (PC-DARTS, Xu et al. 2020) b_j = softmax(β_j) over the edges j into a node weighs them all:

    q ← b q,  and with partial channels (layers/partial.py) what goes round the edge is weighed by b, else by 1
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..engine import random
from ..engine.backend import Backend, array_module, cpu, to_host
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
    """α (2, edges, K), β (2, edges) or None: normal and reduction cells. They start at 1e-3·N(0, 1), as in DARTS.

    values (2, edges, K or K + 1) is what is searched: α, and β in the last column. around: the weights of an edge have
    one more, of what goes round it. All of it, and p(r|o) of the blends, lie on the device: a step need not wait.
    """

    def __init__(
        self,
        candidates: Sequence[Candidate],
        nodes: int,
        key: Key,
        reduce_rule: Rule,
        shared: bool = False,
        backend: Backend | None = None,
        *,
        edge_weights: bool = False,
        around: bool = False,
    ) -> None:
        self.candidates, self.nodes, self.shared = list(candidates), nodes, shared
        self.around = around
        self.operations = list(dict.fromkeys(c.operation for c in candidates))
        self.rules = [make_rule(c.rule) if c.rule else reduce_rule for c in candidates]
        place = backend or cpu()
        self.lanes = place.asarray(self._lane_of_candidate())
        self.bits = place.asarray(np.array([rule.bits for rule in self.rules], np.float64))
        order = self._by_operation()
        self._sorted = place.asarray(np.array(order))  # and the way back
        self._unsorted = place.asarray(np.argsort(order))
        K, edges = len(candidates), (2, edge_count(nodes))
        drawn = random.normal(key.to("alpha"), (*edges, K), 1e-3, np.float64)
        if edge_weights:
            beta = random.normal(key.to("beta"), (*edges, 1), 1e-3, np.float64)
            drawn = np.concatenate([drawn, beta], axis=-1)
        self.values: Floats = place.asarray(drawn, np.float64)
        self.alpha = self.values[..., :K]
        self.beta = self.values[..., K] if edge_weights else None
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

    @property
    def sizes(self) -> list[int]:
        """How many weights share a softmax, one softmax after the other, as in `point`."""
        edges, K = self.alpha.shape[1:]
        of_nodes = [] if self.beta is None else [i + 2 for i in range(self.nodes)]
        return [K] * (2 * edges) + 2 * of_nodes

    def point(self) -> Floats:
        """The values in one row, on the host: α edge after edge, then β."""
        values, K = to_host(self.values), self.alpha.shape[-1]
        return np.concatenate([values[..., :K].ravel(), values[..., K:].ravel()])

    def place(self, point: Floats) -> None:
        """The inverse of `point`: set the values."""
        xp, split = array_module(self.values), self.alpha.size
        self.alpha[...] = xp.asarray(point[:split]).reshape(self.alpha.shape)
        if self.beta is not None:
            self.beta[...] = xp.asarray(point[split:]).reshape(self.beta.shape)

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

    def edge_shares(self) -> Floats:
        """b (2, edges); 1 without edge weights."""
        if self.beta is None:
            ones: Floats = array_module(self.alpha).ones(self.alpha.shape[:2])
            return ones
        return self._by_node(self.beta, softmax)

    def _by_node(self, a: Floats, function: Callable[[Floats], Floats]) -> Floats:
        """The function of what belongs to the edges into each node, (2, edges)."""
        starts = [i * (i + 3) // 2 for i in range(self.nodes + 1)]
        parts = [function(a[:, i:j]) for i, j in pairwise(starts)]
        joined: Floats = array_module(a).concatenate(parts, axis=1)
        return joined

    def lane_weights(self) -> tuple[Floats, Floats]:
        """q (edges, lanes), or lanes + 1 with `around`, of normal and of reduction cells; sets the blends to p(r|o)."""
        p = self.probabilities()
        q = self._per_lane(p)
        if self._blends:
            given = (p / self._per_candidate(q))[..., self._sorted]
            for (kind, edge, operation), blend in self._blends.items():
                blend.weights = given[kind, edge, self._place(operation)]
        if self.beta is None and not self.around:
            return q[0], q[1]
        shares = self.edge_shares()[..., None]
        q = q if self.beta is None else q * shares
        if self.around:
            q = array_module(q).concatenate([q, shares], axis=-1)
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
        """∂L/∂values from ∂L/∂q, from ∂L/∂p(r|o) of each blend, and from what depends on p directly (the price)."""
        p, d = self.probabilities(), array_module(self.alpha).stack(dq)
        d, round_it = (d[..., :-1], d[..., -1]) if self.around else (d, 0.0)
        within = d if self.beta is None else d * self.edge_shares()[..., None]
        total = self._per_candidate(within) + dp
        if dblend:
            total += self._through_blends(p, dblend)
        chained: Floats = p * (total - (p * total).sum(axis=-1, keepdims=True))
        if self.beta is None:
            return chained
        of_edges = self._through_edges((self._per_lane(p) * d).sum(axis=-1) + round_it)
        both: Floats = array_module(p).concatenate([chained, of_edges[..., None]], axis=-1)
        return both

    def _through_edges(self, db: Floats) -> Floats:
        """∂L/∂β from ∂L/∂b (2, edges)."""
        b = self.edge_shares()
        mean = self._by_node(b * db, lambda part: 0 * part + part.sum(axis=-1, keepdims=True))
        chained: Floats = b * (db - mean)
        return chained

    def no_change(self) -> tuple[Floats, Floats]:
        """∂L/∂q = 0, for what depends on p alone."""
        width = len(self.lanes) + self.around
        none: Floats = array_module(self.alpha).zeros((self.alpha.shape[1], width))
        return none, none

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
