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
    """α (2, edges, K): normal and reduction cells. It starts at 1e-3·N(0, 1), as in DARTS.

    Own weights: α and all that is made of it lie on the device, so that a step need not wait for it. Shared weights:
    on the host, where the blends are told p(r|o).
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
        place = backend if backend is not None and not shared else cpu()
        self.lanes = place.asarray(self._lane_of_candidate())
        shape = 2, edge_count(nodes), len(candidates)
        self.alpha: Floats = place.asarray(
            random.normal(key.to("alpha"), shape, 1e-3, np.float64), np.float64
        )
        self._blends: dict[tuple[int, int, str], Blend] = {}

    def _lane_of_candidate(self) -> NDArray[np.float64]:
        """(lanes, K): the 0/1 matrix with q = lanes · p."""
        order = [k for o in self.operations for k in self._of(o)]
        if not self.shared:
            return np.eye(len(order))[order]
        return np.array([[float(c.operation == o) for c in self.candidates] for o in self.operations])

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
        for (kind, edge, operation), blend in self._blends.items():
            own = p[kind, edge, self._of(operation)]
            blend.weights = (own / own.sum()).tolist()
        q = (p[..., None, :] * self.lanes).sum(axis=-1)  # p @ lanesᵀ: cuBLAS could not be captured in a graph
        return q[0], q[1]

    def gradient(
        self, dq: tuple[Floats, Floats], dblend: dict[Blend, Floats] | None = None, dp: Floats | float = 0.0
    ) -> Floats:
        """∂L/∂α from ∂L/∂q, from ∂L/∂p(r|o) of each blend, and from what depends on p directly (the price)."""
        p = self.probabilities()
        here = [to_host(d) if array_module(self.alpha) is np else d for d in dq]
        total = (array_module(self.alpha).stack(here)[..., None] * self.lanes).sum(axis=-2) + dp
        for (kind, edge, operation), blend in self._blends.items():
            if dblend and blend in dblend:
                ks, given = self._of(operation), np.array(blend.weights)
                centred = dblend[blend] - given @ dblend[blend]
                total[kind, edge, ks] += centred / p[kind, edge, ks].sum()
        chained: Floats = p * (total - (p * total).sum(axis=-1, keepdims=True))
        return chained


def softmax(alpha: Floats) -> Floats:
    """Over the last axis."""
    exp = array_module(alpha).exp(alpha - alpha.max(axis=-1, keepdims=True))
    p: Floats = exp / exp.sum(axis=-1, keepdims=True)
    return p
