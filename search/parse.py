"""From architecture weights to a genotype: the published parse of DARTS."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..engine.backend import to_host
from .architecture import Architecture, Floats
from .genotype import GenotypeEdge


class ChosenEdge(NamedTuple):
    """An edge of the genotype with its softmax weight, and the next best candidate's (for the margin).

    rule_share: in shared mode, p(r|o) of the chosen rule given the chosen operation; 1/R is no evidence.
    """

    edge: GenotypeEdge
    weight: float
    runner_up: float
    rule_share: float | None = None


def parse(architecture: Architecture, reduction: bool) -> list[ChosenEdge]:
    """Per node the 2 incoming edges with the largest non-none weight; on each the argmax of the non-none.

    In shared mode an operation competes by Σ_r p_(o,r), and the winner's rule is the argmax of its p_(o,r).
    """
    p = to_host(architecture.probabilities())[int(reduction)]
    chosen, start = [], 0
    for i in range(architecture.nodes):
        incoming = [best_candidate(architecture, p[start + j]) for j in range(i + 2)]
        strongest = sorted(range(i + 2), key=lambda j: (-incoming[j][1], j))[:2]
        for j in sorted(strongest):
            k, weight, second = incoming[j]
            candidate = architecture.candidates[k]
            edge = GenotypeEdge(node=i + 2, source=j, op=candidate.operation, rule=candidate.rule)
            share = p[start + j, k] / weight if architecture.shared and candidate.rule else None
            chosen.append(ChosenEdge(edge, weight, second, share))
        start += i + 2
    return chosen


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
