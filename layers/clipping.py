"""Clipping of the gradient, and the search for a culprit where it is no longer finite.

The norm that is clipped is that of what follows an error. Local updates have a scale of their own and would shrink
the others', so they are left out; those of perturbative rules, whose norm is mostly noise, are clipped by themselves.
"""

import numpy as np

from ..engine.backend import Array, to_host
from ..engine.errors import DivergedError
from ..engine.lanes import Blend, descends
from ..engine.optim import clip_norm
from ..engine.parameter import Arena
from ..engine.rule import Rule
from .synapse import Synapse


class Clipping:
    """Clips the gradient of an arena in place; `synapses` are those that learn by it."""

    def __init__(self, arena: Arena, synapses: list[Synapse]) -> None:
        self.arena, self.synapses = arena, synapses
        self._parts = self._masks()

    def __call__(self, limit: float) -> None:
        """Raises DivergedError, naming layer and rule, where an update is not finite (on the CPU: a GPU's step waits
        for nobody, and the loop finds it at its next checkpoint)."""
        for part in self._parts:
            size = clip_norm(self.arena.grad, limit, part)
            if isinstance(size, np.ndarray | np.generic) and not np.isfinite(size):
                raise self._diverged()

    def _masks(self) -> list[Array | None]:
        """One mask of 0 and 1 for each kind that is clipped by itself; None stands for everything."""
        kinds = {kind_of(rule) for synapse in self.synapses for rule in synapse.rules}
        if kinds <= {"error"}:
            return [None]
        masks = {
            kind: np.zeros(self.arena.value.size, self.arena.value.dtype) for kind in ("error", "perturbed")
        }
        masks["error"][:] = 1
        for synapse in self.synapses:
            lanes = self.arena.slices[synapse.W]
            for kind, mask in masks.items():
                own = mask[lanes].reshape(synapse.lanes, -1)
                for r, rule in enumerate(synapse.rules):
                    own[r] = kind_of(rule) == kind
        used = [mask for mask in masks.values() if mask.any()]
        return [self.arena.backend.asarray(mask) for mask in used]

    def _diverged(self) -> DivergedError:
        for synapse in reversed(self.synapses):  # as backward meets them
            grad = to_host(synapse.W.grad).reshape(synapse.lanes, -1)
            for rule, lane in zip(synapse.rules, grad, strict=True):
                if not np.isfinite(lane).all():
                    return DivergedError(
                        f'The run diverged: the update of layer "{synapse.name}" by rule "{rule}" is not finite.',
                        "Start again with a lower rate, for instance --set optimiser.lr=0.01; some rules need it.",
                    )
        return DivergedError("The run diverged: a gradient is not finite.", "Start again with a lower rate.")


def kind_of(rule: Rule) -> str:
    """Of what kind its update is: "error", "perturbed" or "local"."""
    if isinstance(rule, Blend):
        return "error" if any(map(descends, rule.rules)) or not rule.rules else kind_of(rule.rules[0])
    if rule.procedure == "perturbed":
        return "perturbed"
    return "error" if descends(rule) or {"delta", "top"} & set(type(rule).reads) else "local"
