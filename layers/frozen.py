"""The lower blocks of a network that do not learn: the control of what learning below is worth."""

from ..engine.errors import UsageError, did_you_mean
from .layer import Layer
from .model import Model
from .synapse import Synapse


class Frozen:
    """All blocks below `block`, one of the network's children in its order; None freezes nothing.

    Their weights stay as they were drawn; their batch norms go on to keep statistics. `lowest`: the block itself,
    with which the backward pass ends. `unwanted`: the synapses whose error nobody below learns from: the frozen
    ones, and those that read the inputs of the first block that learns.
    Raises UsageError for a block that the network does not have.
    """

    def __init__(self, model: Model, block: str | None) -> None:
        self.model, self.size, self.unwanted = model, 0, frozenset[Synapse]()
        self.lowest: Layer | None = None
        if block is None:
            return
        blocks = dict(model.network.children())
        if block not in blocks:
            raise UsageError(f'learn_from: the network has no block "{block}".', did_you_mean(block, blocks))
        slices = model.arena.slices
        starts = [slices[p].start for _, layer in blocks[block].walk() for _, p in layer.parameters()]
        if not starts:
            raise UsageError(f'learn_from: block "{block}" has no weights.', "Name the one above it.")
        self.lowest = blocks[block]
        self.size = min(starts)  # the arena keeps the network's order
        first = tuple(f"{block}.{name}." for name, _ in blocks[block].children() if "preprocess" in name)
        self.unwanted = frozenset(
            s
            for s in model.synapses
            if slices[s.W].start < self.size or s.name == block or s.name.startswith(first or ("\0",))
        )
        self._drawn = model.arena.value[: self.size].copy()

    def clear(self) -> None:
        """Before the gradient is clipped: what is frozen counts for nothing."""
        if self.size:
            self.model.arena.grad[: self.size] = 0

    def put_back(self) -> None:
        """After a step: weight decay has moved them."""
        if self.size:
            self.model.arena.value[: self.size] = self._drawn
