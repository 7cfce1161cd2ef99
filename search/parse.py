"""From architecture weights to a genotype: the published parse of DARTS."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..engine.backend import to_host
from .architecture import Architecture, Floats
from .genotype import GenotypeEdge

SKIP = "skip_connect"


class ChosenEdge(NamedTuple):
    """An edge of the genotype with its softmax weight, and the next best candidate's (for the margin).

    rule_share: in shared mode, p(r|o) of the chosen rule given the chosen operation; 1/R is no evidence.
    edge_weight: with edge weights, the edge's own.
    """

    edge: GenotypeEdge
    weight: float
    runner_up: float
    rule_share: float | None = None
    edge_weight: float | None = None


def parse(architecture: Architecture, reduction: bool, max_skips: int | None = None) -> list[ChosenEdge]:
    """Per node the 2 incoming edges with the largest non-none weight; on each the argmax of the non-none.

    With edge weights an edge competes by the product b_j max_k p_jk (PC-DARTS, Xu et al. 2020). In shared mode an
    operation competes by Σ_r p_(o,r), and the winner's rule is the argmax of its p_(o,r).

    max_skips: of the normal cell. While it has more, its weakest skip connection is struck out, and the cell is
    parsed anew (P-DARTS, Chen et al. 2019).
    """
    p = to_host(architecture.probabilities())[int(reduction)].copy()
    b = to_host(architecture.edge_shares())[int(reduction)]
    skip = [k for k, c in enumerate(architecture.candidates) if c.operation == SKIP]
    while True:
        chosen = _parse(architecture, p, b)
        if reduction or max_skips is None or skips(chosen) <= max_skips:
            return chosen
        weakest = min((c for c in chosen if c.edge.op == SKIP), key=lambda c: c.weight * (c.edge_weight or 1))
        p[_edge(weakest), skip] = -1.0  # below whatever else the edge has


def skips(cell: Sequence[ChosenEdge]) -> int:
    """How many of the chosen operations are skip connections."""
    return sum(c.edge.op == SKIP for c in cell)


def _parse(architecture: Architecture, p: Floats, b: Floats) -> list[ChosenEdge]:
    """p (edges, K), b (edges,)."""
    chosen, start = [], 0
    for i in range(architecture.nodes):
        incoming = [best_candidate(architecture, p[start + j]) for j in range(i + 2)]
        strength = [b[start + j] * weight for j, (_, weight, _) in enumerate(incoming)]
        strongest = sorted(range(i + 2), key=lambda j: (-strength[j], j))[:2]
        for j in sorted(strongest):
            k, weight, second = incoming[j]
            candidate = architecture.candidates[k]
            edge = GenotypeEdge(node=i + 2, source=j, op=candidate.operation, rule=candidate.rule)
            share = p[start + j, k] / weight if architecture.shared and candidate.rule else None
            own = None if architecture.beta is None else float(b[start + j])
            chosen.append(ChosenEdge(edge, weight, max(second, 0.0), share, own))
        start += i + 2
    return chosen


def _edge(chosen: ChosenEdge) -> int:
    """The number of the edge within its cell."""
    i = chosen.edge.node - 2
    return i * (i + 3) // 2 + chosen.edge.source


def best_candidate(architecture: Architecture, p: Floats) -> tuple[int, float, float]:
    """(candidate, its weight, the runner-up's weight) of one edge, p (K,)."""
    usable = [k for k, c in enumerate(architecture.candidates) if c.operation != "none"]
    if not architecture.shared:
        ranked = sorted(usable, key=lambda k: (-p[k], k))
        return ranked[0], float(p[ranked[0]]), float(p[ranked[1]]) if len(ranked) > 1 else 0.0
    operations = [o for o in architecture.operations if o != "none"]
    of = {o: [k for k in usable if architecture.candidates[k].operation == o] for o in operations}
    ranked_operations = sorted(operations, key=lambda o: -p[of[o]].sum())
    best = of[ranked_operations[0]]
    runner_up = float(p[of[ranked_operations[1]]].sum()) if len(ranked_operations) > 1 else 0.0
    return best[int(np.argmax(p[best]))], float(p[best].sum()), runner_up


def mean_margin(edges: Sequence[ChosenEdge]) -> float:
    """How far ahead the choices are, on the average: weight minus runner-up."""
    return float(np.mean([e.weight - e.runner_up for e in edges]))
