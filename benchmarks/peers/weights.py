"""The weights of a model of ours as PyTorch's leaves."""

from typing import Any

from ...layers.model import Model
from .frame import Pair, Tensor, torch


class Weights:
    """Looked up by the names of our layers, and by lane. Layout: channels last, PyTorch's faster one on CPUs.

    B of a rule is made once and stays: PyTorch is spared the making after each update, which ours pays.
    """

    def __init__(self, model: Model) -> None:
        self.leaves: list[Tensor] = []
        self.affines: dict[str, tuple[Tensor, ...]] = {}
        self._pairs: dict[str, list[Pair]] = {}
        self._biases: dict[str, Tensor] = {}
        for synapse in model.synapses:
            exact = [str(rule) == "bp" for rule in synapse.rules]
            lanes = zip(synapse.laned(synapse.W.value), synapse.feedback_weights(), exact, strict=True)
            self._pairs[synapse.name] = [(self._leaf(W), None if bp else fixed(B)) for W, B, bp in lanes]
        for name, layer in model.network.walk():
            self._take(name, layer)

    def _take(self, name: str, layer: Any) -> None:
        if getattr(layer, "gamma", None) is not None:
            gamma, beta = self._leaf(layer.gamma.value[0]), self._leaf(layer.beta.value[0])
            statistics = (fixed(layer.buffers[of][0].astype("f4")) for of in ("mean", "variance"))
            self.affines[name] = gamma, beta, *statistics
        if hasattr(layer, "b"):
            self._biases[name] = self._leaf(layer.b.value)

    def pair(self, name: str, lane: int = 0) -> Pair:
        return self._pairs[name][lane]

    def bias(self, name: str) -> Tensor:
        return self._biases[name]

    def affine(self, name: str) -> tuple[Tensor, ...]:
        """() where the norm has no weights."""
        return self.affines.get(name, ())

    def has(self, name: str) -> bool:
        return name in self._pairs

    def _leaf(self, x: Any) -> Tensor:
        self.leaves.append(laid_out(torch.tensor(x)).requires_grad_())
        return self.leaves[-1]


def fixed(x: Any) -> Tensor | None:
    return None if x is None else laid_out(torch.tensor(x))


def laid_out(x: Tensor) -> Tensor:
    return x.to(memory_format=torch.channels_last) if x.ndim == 4 else x
