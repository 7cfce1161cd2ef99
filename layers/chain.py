"""A network as a chain: one synapse after the other, each with the layers without weights that follow it."""

from collections.abc import Sequence

from ..engine.backend import Array
from ..engine.errors import UsageError
from ..engine.step import Step
from .layer import Layer, Sequential
from .synapse import Synapse


class Block:
    """Layers of which one is a synapse. x and what comes out have the shapes that the network's layers pass on."""

    def __init__(self, layers: Sequence[Layer], synapse: Synapse) -> None:
        self.layers, self.synapse = list(layers), synapse

    def forward(self, x: Array, step: Step) -> Array:
        for layer in self.layers:
            x = layer.forward(x, step)
        return x

    def backward(self, delta: Array, step: Step) -> Array:
        """The error of the block's input; updates into the gradients where step.learn."""
        for layer in reversed(self.layers):
            delta = layer.backward(delta, step)
            if not layer.sends_error:
                break
        return delta


def chain(network: Layer, procedure: str) -> list[Block]:
    """The blocks of an mlp or a lenet. Raises UsageError for a network that branches."""
    layers = list(network.layers.values()) if isinstance(network, Sequential) else []
    blocks: list[list[Layer]] = []
    for layer in layers:
        synapses = [part for _, part in layer.walk() if isinstance(part, Synapse)]
        if synapses and (len(synapses) > 1 or synapses[0] is not layer):
            layers = []  # a block with synapses of its own
            break
        first = not any(isinstance(part, Synapse) for part in (blocks[-1] if blocks else []))
        if not blocks or (synapses and not first):
            blocks.append([])
        blocks[-1].append(layer)
    if not layers:
        raise UsageError(
            f"procedure {procedure} runs a chain of layers, and this network branches.",
            "Use mlp." if procedure == "two_pass" else "Use mlp or lenet.",
        )
    return [Block(b, next(layer for layer in b if isinstance(layer, Synapse))) for b in blocks]
