"""A network made ready to run: names, an arena of weights, random states, buffers."""

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import DTypeLike

from ..engine.backend import Array, Backend, cpu, to_host
from ..engine.errors import CheckpointError
from ..engine.parameter import Arena
from ..engine.random import Key
from ..engine.step import Step
from .clipping import Clipping
from .layer import Layer
from .norm import Normalise
from .procedure import whole_network
from .synapse import Synapse


class Model:
    """Initialises `network` from `key`: each weight is a function of the seed and of the layer's name."""

    def __init__(
        self,
        network: Layer,
        normalise: Normalise,
        key: Key,
        dtype: DTypeLike = np.float32,
        backend: Backend | None = None,
    ) -> None:
        self.normalise = normalise
        self.network, self.key, self.dtype, self.backend = network, key, np.dtype(dtype), backend or cpu()
        for label, buffer in normalise.buffers.items():
            normalise.buffers[label] = self.backend.asarray(buffer)
        parameters = []
        for name, layer in network.walk():
            layer.name = name
            buffers: dict[str, Array] = getattr(layer, "buffers", {})
            for label, buffer in buffers.items():
                buffers[label] = self.backend.asarray(buffer, dtype)
            for label, parameter in layer.parameters():
                parameter.name = f"{name}.{label}"
                parameters.append(parameter)
        self.arena = Arena(parameters, key.to("weights"), dtype, self.backend)
        self.synapses: list[Synapse] = [s for _, s in network.walk() if isinstance(s, Synapse)]
        for place, synapse in enumerate(self.synapses):
            synapse.place = place
            synapse.attach(key.to("rules"))
        self.procedure = whole_network(network, self.synapses, key.to("rules"))
        self._constrained = [s for s in self.synapses if s.constrained]
        for synapse in self._constrained:
            synapse.check_constraints()
        self.constrain(start=True)
        self.clip = Clipping(self.arena, self.synapses)

    def answer(self, images: Array, step: Step) -> Array:
        """Logits (N, K) for normalised images (N, 1, C, H, W), however the rules' procedure finds them."""
        if self.procedure is not None:
            return self.procedure.logits(images, step)
        return self.network.forward(images, step)

    def constrain(self, start: bool = False) -> None:
        """Make the weights obey their rules' constraints; call it after every step of the optimiser."""
        for synapse in self._constrained:
            synapse.constrain(start)

    def images(self, batch: Array) -> Array:
        """Images (N, C, H, W) in [0, 1] as the network takes them: normalised, (N, 1, C, H, W), on its device."""
        return self.normalise(self.backend.asarray(batch, self.dtype))

    def arrays(self) -> dict[str, Array]:
        """What a checkpoint keeps of the network: the flat weights, and every buffer by its name."""
        return {"weights": to_host(self.arena.value)} | {
            name: to_host(value) for name, value in self._buffers().items()
        }

    def restore(self, arrays: dict[str, Array]) -> None:
        """The inverse of `arrays`. Raises CheckpointError where they are another network's."""
        weights = arrays["weights"]
        if weights.shape != self.arena.value.shape:
            raise CheckpointError(
                f"The checkpoint has {weights.size} weights, this network {self.arena.value.size}: another version of "
                "bionas-cupy wrote it.",
                "Use that version (manifest.json names it), or start a new run.",
            )
        self.arena.value[...] = self.backend.asarray(weights)
        for name, buffer in self._buffers().items():
            buffer[...] = self.backend.asarray(arrays[name])

    def _buffers(self) -> dict[str, Array]:
        statistics = {f"normalise.{label}": value for label, value in self.normalise.buffers.items()}
        return statistics | {
            f"{name}.{label}": value
            for name, layer in self.network.walk()
            for label, value in getattr(layer, "buffers", {}).items()
        }


def weights_per_rule(synapses: Sequence[Synapse]) -> dict[str, float]:
    """The share of the weights of these layers that learn by each rule."""
    counts: dict[str, int] = {}
    for synapse in synapses:
        for rule in synapse.rules:
            counts[str(rule)] = counts.get(str(rule), 0) + synapse.W.size // synapse.lanes
    total = sum(counts.values())
    return {name: count / total for name, count in sorted(counts.items())}


def transported_bits(synapses: Sequence[Synapse], unwanted: Collection[Synapse] = ()) -> float:
    """Σ bits(rule)·weights / Σ weights. A layer on the data sends no error, so it transports none; nor do `unwanted`
    ones, below which nobody learns."""
    sizes = [
        (r.bits * (s.sends_error and s not in unwanted), s.W.size // s.lanes)
        for s in synapses
        for r in s.rules
    ]
    return sum(bits * size for bits, size in sizes) / sum(size for _, size in sizes)
