"""What a procedure that runs a whole network offers to a training, and what it needs of a network."""

from collections.abc import Sequence
from typing import Any, Protocol

from ..backend import Array
from ..step import Step


class Block(Protocol):
    """A synapse, and what follows it up to the next one (layers/chain.py)."""

    synapse: Any

    def forward(self, x: Array, step: Step) -> Array: ...
    def backward(self, delta: Array, step: Step) -> Array: ...


class WholeNetwork(Protocol):
    def learn(self, images: Array, labels: Array, step: Step, smoothing: float) -> tuple[Array, Array]:
        """The rules' updates into the (cleared) gradients; the loss and the number of correct answers, 0-d arrays."""
        ...

    def logits(self, images: Array, step: Step) -> Array:
        """The network's answer (N, K) to normalised images (N, 1, C, H, W)."""
        ...


def answer(blocks: Sequence[Block], images: Array, step: Step) -> Array:
    """A plain forward pass."""
    x = images
    for block in blocks:
        x = block.forward(x, step)
    return x
