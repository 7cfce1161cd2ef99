"""What a procedure that runs a whole network offers to a training, and what it needs of a network."""

from collections.abc import Sequence
from typing import Any, Protocol

from ..backend import Array
from ..loss import cross_entropy
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

    def compare(self, images: Array, labels: Array, step: Step, smoothing: float) -> None:
        """A pass of the loss's gradient (`step.exact`), which learns nothing: inspection sets it beside the rules'.
        Does nothing where the network's answer is no logits of that loss."""
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


def gradient(blocks: Sequence[Block], images: Array, labels: Array, step: Step, smoothing: float) -> None:
    """A plain forward and backward pass."""
    _, error = cross_entropy(answer(blocks, images, step), labels, smoothing)
    step.top = error
    for block in reversed(blocks):
        error = block.backward(error, step)
