"""One pass through a network: what forward keeps for backward, and what every layer may ask."""

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any

from .backend import Array
from .probe import Watch, open_probes
from .random import Key


@dataclass
class Step:
    """The context of one forward and one backward pass; made anew for each.

    key                the run's random key
    update             weight updates made so far: brSF renews its draw, drop-path its mask, by this number
    clock              of a step that is recorded to be replayed: the updates since, 0-d int64 on the device; draws
                       that are renewed add it to `update`
    training           drop-path is on, and batch norm uses (and tracks, with `learn`) the batch's statistics
    batch_statistics   batch norm uses the batch's statistics even in evaluation (a supernet has no others)
    learn              backward computes weight updates; without it only the error travels
    forward_only       no backward pass follows: nothing is kept for one, and where `learn` is set every synapse
                       learns in its forward pass, by what is there (local rules alone can)
    exact              every synapse sends and learns by the exact gradient, whatever its rule
    top                e = ∂L/∂logits of the head in question, which rules that declare "top" may read
    modulator          one number for the whole network, reward or surprise, which rules may read
    dloss              (K, N): how the loss of each sample answered to the noise of each probe (procedures/perturbed.py)
    nudge              (k, sign) of a pass in which perturbative rules add their noise of probe k
    share              weights (R,) of the lanes in question in their mixture: what reaches a lane of e, as of δ
    drop_path          the probability with which a path is dropped
    lowest             the block of a network below which nothing learns: backward ends with it
    keep_tape          backward leaves what forward kept, and adds each synapse's δ and share, for a tangent sweep
    track              batch norm follows the statistics of a pass that learns; not so in a virtual step
    direction          of a tangent sweep: by parameter, the change of its value
    tangents           of a tangent sweep: by synapse, the change of its input
    purpose            "weights": the pass whose updates are applied; "architecture": α's; "virtual": a look ahead;
                       "evaluation": a forward pass that nothing follows
    probes             what watches this pass
    reference          on steps that a probe compares: by synapse, what the exact gradient tells it
    """

    key: Key
    update: int = 0
    clock: Array | None = None
    training: bool = True
    batch_statistics: bool = False
    learn: bool = True
    forward_only: bool = False
    exact: bool = False
    top: Array | None = None
    modulator: Array | None = None
    dloss: Array | None = None
    nudge: tuple[int, float] | None = None
    share: Array | None = None
    keep_tape: bool = False
    track: bool = True
    drop_path: float = 0.0
    lowest: object = None
    tape: dict[object, tuple[Any, ...]] = field(default_factory=dict)
    deltas: dict[object, Array] = field(default_factory=dict)
    shares: dict[object, Array | None] = field(default_factory=dict)
    direction: dict[object, Array] = field(default_factory=dict)
    tangents: dict[object, Array] = field(default_factory=dict)
    purpose: str = "weights"
    probes: tuple[Watch, ...] = field(default_factory=open_probes)
    reference: Mapping[Any, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def uses_batch_statistics(self) -> bool:
        return self.training or self.batch_statistics

    @property
    def answers(self) -> bool:
        """Whether this is an evaluation at which somebody looks."""
        return bool(self.probes) and self.purpose == "evaluation"

    def ends_at(self, layer: object) -> bool:
        """Whether backward ends with this block of the network: below it nobody learns, and nobody watches."""
        return layer is self.lowest and not self.probes

    def keep(self, layer: object, *values: Any) -> None:
        """Leave values for the layer's backward (only what backward reads: a test poisons each array)."""
        if not self.forward_only:
            self.tape[layer] = values

    def take(self, layer: object) -> tuple[Any, ...]:
        """What the layer's forward kept in this pass; it is freed, unless the tape is kept."""
        if layer not in self.tape:
            name = getattr(layer, "name", layer)
            raise RuntimeError(f"{name}: backward before forward in this step, or twice.")
        return self.tape[layer] if self.keep_tape else self.tape.pop(layer)

    def beside(self, watch: Watch) -> "Step":
        """An exact pass through what this one's forward kept, which it leaves there, for `watch` alone."""
        return replace(
            self, exact=True, learn=False, keep_tape=True, probes=(watch,), deltas={}, shares={}, reference={}
        )

    def sharing(self, share: Array | None) -> "Step":
        """The same pass for lanes of these weights."""
        same = copy(self)  # a third of the time that `replace` takes
        same.share = share
        return same

    def compare_with(self, found: Mapping[Any, Mapping[str, Any]]) -> None:
        self.reference = found
