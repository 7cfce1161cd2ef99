"""What a step tells every synapse at once: how the loss answered to noise, and the neuromodulator."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..engine.backend import Array, Backend, to_host
from ..engine.lanes import Blend
from ..engine.modulator import Modulator
from ..engine.procedures.perturbed import answers, perturbations
from ..engine.rule import Rule
from ..engine.step import Step
from ..layers.synapse import Synapse
from .loop import Score


class Broadcast:
    """Costs nothing where no rule asks. Its state goes into the checkpoint."""

    def __init__(self, synapses: Sequence[Synapse], kind: str, backend: Backend) -> None:
        rules = [rule for synapse in synapses for rule in synapse.rules]
        self._made_of = synapses, kind, backend
        self.probes = max((int(rule.probes) for rule in perturbations(rules)), default=0)
        self._noisy = [s for s in synapses if s.perturbed] if self.probes > 1 else []
        self.modulator = Modulator(kind, backend) if any(_reads_modulator(rule) for rule in rules) else None
        self.variance = backend.zeros((2,), np.float64)  # summed over updates, and their number

    def copy(self) -> "Broadcast":
        """One that is in the same state, and goes its own way."""
        other = Broadcast(*self._made_of)
        other.restore(self.arrays(), self._made_of[2])
        return other

    def probe(self, losses: Callable[[Step], Array], step: Step) -> None:
        """Before the forward pass: the passes with noise."""
        if self.probes:
            step.dloss = answers(self.probes, losses, step)

    def modulate(self, loss: Array, correct: Array, count: int, step: Step) -> None:
        """Between forward and backward."""
        if self.modulator is not None:
            step.modulator = self.modulator(loss, correct, count)

    def learned(self) -> None:
        """After backward: collect what perturbative rules say of their variance."""
        found = [s.figures["variance"] for n in self._noisy for s in n.states if "variance" in s.figures]
        if found:
            self.variance[0] += sum(found)
            self.variance[1] += 1

    def score(self) -> Score:
        """The mean over the epoch's updates of the variance of all perturbative updates, summed over weights."""
        total, count = to_host(self.variance)
        self.variance.fill(0)
        return {"perturbation_variance": float(total / count)} if count else {}

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        kept = {"broadcast.variance": to_host(self.variance)}
        return (
            kept
            if self.modulator is None
            else kept | {"broadcast.modulator": to_host(self.modulator.average)}
        )

    def restore(self, arrays: dict[str, NDArray[np.float64]], backend: Backend) -> None:
        self.variance[...] = backend.asarray(arrays["broadcast.variance"])
        if self.modulator is not None:
            self.modulator.average[...] = backend.asarray(arrays["broadcast.modulator"])


def _reads_modulator(rule: Rule) -> bool:
    return any(map(_reads_modulator, rule.rules)) if isinstance(rule, Blend) else "modulator" in rule.reads
