"""Perturbation: noise enters weights or outputs, and every synapse hears by how much the loss changed.

    dloss_kn = (L_n(+ξ_k) - L_n(-ξ_k)) / 2          sample n, probe k = 0 ... K-1

All perturbed synapses take part in each probe at once: K antithetic pairs of forward passes, whatever their number.
ξ is a function of (seed, layer, rule, update, probe); batch norm uses the batch's statistics and tracks none.
"""

from collections.abc import Callable, Sequence

from ..backend import Array, stack
from ..lanes import Blend
from ..rule import Maps, Rule, State
from ..rules.perturbation import Perturbation
from ..step import Step


def perturbations(rules: Sequence[Rule]) -> list[Perturbation]:
    """The perturbative ones among these rules and those of their blends."""
    flat = [each for rule in rules for each in (rule.rules if isinstance(rule, Blend) else [rule])]
    return [rule for rule in flat if isinstance(rule, Perturbation)]


def answers(probes: int, losses: Callable[[Step], Array], step: Step) -> Array:
    """dloss (K, N). losses(step) runs a forward pass and gives each sample's loss (N,), in float64."""
    rows = []
    for k in range(probes):
        plus, minus = (losses(nudged(step, k, sign)) for sign in (1.0, -1.0))
        rows.append((plus - minus) / 2)
    return stack(rows)


def linear_answers(
    rule: Perturbation, maps: Maps, x: Array, W: Array, state: State, losses: Callable[[Array], Array]
) -> Array:
    """As `answers`, for the weights (O, D) of one linear layer that the loss reads directly.

    losses(m) gives each sample's loss at y + m. W ± σξ gives y ± σξx, so that one product serves all probes.
    """
    xi = [noise for k in range(int(rule.probes)) if (noise := rule.noise(k, W, state)) is not None]
    moved = maps.push(x, stack(xi).reshape(-1, W.shape[1])).reshape(len(x), len(xi), len(W))
    moved *= W.dtype.type(rule.sigma)
    return stack([(losses(moved[:, k]) - losses(-moved[:, k])) / 2 for k in range(len(xi))])


def nudged(step: Step, probe: int, sign: float) -> Step:
    """A forward pass like `step`'s, with noise."""
    return Step(
        step.key,
        step.update,
        step.clock,
        training=step.training,
        batch_statistics=step.batch_statistics,
        learn=False,
        track=False,
        drop_path=step.drop_path,
        nudge=(probe, sign),
        probes=(),
    )
