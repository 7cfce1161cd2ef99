"""What one synapse was told in one pass, by name, for those who watch: each signal is made when it is asked for."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..engine.backend import Array, array_module
from ..engine.lanes import LaneSignals
from ..engine.probe import SIGNALS, Told
from ..engine.step import Step

if TYPE_CHECKING:
    from .synapse import Synapse


class Telling(Told):
    """x (N, L, ...), y and delta (N, R, ...), below (N, L, ...): L = R lanes, or one that all lanes share.

    W, dW and B have W's own shape, with a lane axis only where R > 1. top (N, K), dloss (probes, N). NAME_exact: the
    same signal where every synapse sends and learns by the loss's exact gradient. None where there is none: below
    on the data, dW in a pass that does not learn, B where a rule has no such matrix; in an evaluation
    all but x, y and W.
    """

    def __init__(
        self, synapse: "Synapse", s: LaneSignals, below: Array | None, dW: Array | None, step: Step
    ) -> None:
        self.synapse, self.s, self.step = synapse, s, step
        self._below, self._dW = below, dW

    def __getitem__(self, name: str) -> Any:
        synapse, s = self.synapse, self.s
        match name:
            case "x":
                return s.x
            case "delta":
                return None if self.step.answers else s.delta
            case "top" | "modulator" | "dloss":
                return s.broadcast.get(name)
            case "y":
                y = s.maps.push(s.x, s.W)
                return y if s.bias is None else y + s.bias
            case "below":
                return self._below
            case "dW":
                return self._update()
            case "W":
                return synapse.W.value
            case "B":
                return self._feedback()
            case "delta_exact" | "below_exact" | "dW_exact":
                found = self.step.reference.get(synapse)
                return None if found is None else found[name.removesuffix("_exact")]
        raise KeyError(name)

    def _update(self) -> Array | None:
        """In an exact pass, which leaves the gradients alone, the exact update."""
        if self._dW is None and self.step.exact:
            self._dW = -self.s.maps.outer(self.s.delta, self.s.x)
        return None if self._dW is None else self._dW.reshape(self.synapse.W.shape)

    def _feedback(self) -> Array | None:
        if self.step.answers:
            return None
        lanes = self.synapse.feedback_weights()
        if any(B is None for B in lanes):
            return None
        stacked: Array = array_module(self.s.W).stack(lanes)
        return stacked.reshape(self.synapse.W.shape)

    def __iter__(self) -> Iterator[str]:
        return iter(SIGNALS)

    def __len__(self) -> int:
        return len(SIGNALS)
