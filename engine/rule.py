"""What a learning rule is: how the error travels back, how the weight changes, what is redrawn after an update.

A weighted layer offers only linear algebra (`Maps`); a rule is written once on these, for every layer:

    push(x, M)      M x         forward with ANY matrix M of W's shape
    pull(δ, M)      Mᵀ δ        its transpose
    outer(δ, x)     δ ⊗ x       a product of W's shape
    associate(y, x, M, a)       a Σ ŷ ⊗ x̂, y = M x: of unit length patch by patch
    units, gram, among, decay, left, per_unit, energy      what competition and decay need: see maps.py

A rule that only transports the error through other weights (BP, FA, uSF, frSF, brSF, qSF) writes
`feedback_weights`. A rule with another route (DFA) writes `below`; a local rule writes `update` and says in `sends`
what it passes down. A rule gets the signals that it declares in `reads` and no others: that is the locality audit.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from .backend import Array, array_module
from .errors import UsageError
from .kernels import philox
from .random import Key, Shape

if TYPE_CHECKING:
    from .constraints import Constraint

SIGNALS = {  # what a rule may declare in `reads`, as equation cards explain it
    "x": "the layer's input, present at the synapse",
    "y": "the layer's output before any nonlinearity, present at the synapse",
    "delta": "δ = ∂L/∂y as it arrived from the layer above",
    "top": "e = ∂L/∂logits, the output error: a signal broadcast to every layer",
    "modulator": "one number for the whole network in this step: reward, or surprise",
    "dloss": "how each sample's loss answered to the noise of each perturbed pass",
}
FULL_PRECISION_BITS = 32.0
Sends = Literal["none", "exact", "feedback"]
SENDS: tuple[Sends, ...] = ("none", "exact", "feedback")


class Maps(Protocol):
    """A synapse's linear algebra, bound to the size of the input of this pass."""

    def push(self, x: Array, M: Array) -> Array: ...
    def pull(self, delta: Array, M: Array) -> Array: ...
    def outer(self, post: Array, pre: Array) -> Array: ...
    def associate(self, y: Array, x: Array, W: Array, a: float) -> Array: ...
    def units(self, y: Array) -> Array: ...
    def gram(self, a: Array, b: Array) -> Array: ...
    def among(self, M: Array, W: Array) -> Array: ...
    def decay(self, z: Array, W: Array) -> Array: ...
    def left(self, z: Array, x: Array, W: Array) -> Array: ...
    def per_unit(self, a: Array) -> Array: ...
    def energy(self, x: Array, W: Array) -> Array: ...


class State:
    """What a rule may know of its synapse besides the signals.

    s        the standard deviation of W's initialiser
    update   weight updates made so far; `clock` is the step's (engine/step.py)
    layer    the name of the layer, for messages
    draw     fixed or renewed random arrays, pure functions of the synapse's key
    noise    what perturbs in this update, likewise
    figures  what a rule wants to be recorded of its last update, by name
    """

    def __init__(self, key: Key, s: float, layer: str = "") -> None:
        self.key, self.s, self.update, self.layer = key, s, 0, layer
        self.clock: Array | None = None
        self._kept: dict[tuple[str, bool, bool], tuple[int, Array]] = {}
        self._noise: dict[tuple[str, int, bool], tuple[int, Array]] = {}
        self.figures: dict[str, Array] = {}

    def draw(
        self, name: str, like: Array, shape: Shape | None = None, s: float | None = None, renew: bool = False
    ) -> Array:
        """Uniform random numbers of standard deviation s (default: W's), as W's initialiser draws them.

        like: an array that gives dtype and device, and the shape where `shape` is not given. With renew=False
        they are drawn once and for all; with renew=True they change, in place, after every weight update.
        """
        step, clock = (self.update + 1, self.clock) if renew else (0, None)
        place = name, renew, clock is not None  # a replay changes what its recording has kept
        kept = self._kept.get(place)
        if kept is None or kept[0] != step:
            bound = 3.0**0.5 * (self.s if s is None else s)
            drawn = _room(kept, shape or like.shape, like)
            drawn = philox.uniform(drawn, self.key.to(name, step), -bound, bound, clock)
            kept = self._kept[place] = step, drawn
        return kept[1]

    def noise(self, name: str, probe: int, like: Array) -> Array:
        """ξ ~ N(0, 1) of like's shape, a function of (seed, layer, name, update, probe); kept during an update."""
        place = name, probe, self.clock is not None
        kept = self._noise.get(place)
        if kept is None or kept[0] != self.update or kept[1].shape != like.shape:
            key = self.key.to(f"noise/{name}", self.update, probe)
            drawn = philox.normal(_room(kept, like.shape, like), key, clock=self.clock)
            kept = self._noise[place] = self.update, drawn
        return kept[1]


def _room(kept: tuple[int, Array] | None, shape: Shape, like: Array) -> Array:
    """Room for a draw: that of the one it replaces, where it fits."""
    if kept is not None and kept[1].shape == shape and kept[1].dtype == like.dtype:
        return kept[1]
    fresh: Array = array_module(like).empty(shape, like.dtype)
    return fresh


class Signals:
    """The signals that a rule declared, by name; and its own W and state. Others are refused.

    x (N, ...) input            y (N, O, ...) output before any nonlinearity
    delta = ∂L/∂y as it arrived       top = ∂L/∂logits (N, K)
    modulator                   one number for the whole network in this step: reward, surprise
    dloss                       how the loss answered to this synapse's own noise (procedure "perturbed")
    """

    def __init__(self, rule: "Rule", W: Array, state: State, **values: Array | None) -> None:
        self.rule, self.W, self.state, self._values = rule, W, state, values
        self.read: set[str] = set()  # what the rule took, for whoever inspects it

    def arrays(self) -> dict[str, Array]:
        """W and every signal that the rule declared and that is present."""
        declared = {name: self._values.get(name) for name in self.rule.reads}
        return {"W": self.W} | {name: array for name, array in declared.items() if array is not None}

    def of(self, rule: "Rule") -> "Signals":
        """The same signals for one rule of several on the synapse: it gets what it declared itself."""
        one = Signals(rule, self.W, self.state, **self._values)
        one.read = self.read
        return one

    def __getattr__(self, name: str) -> Any:
        if name not in SIGNALS:
            raise AttributeError(name)
        if name not in self.rule.reads:
            raise UsageError(
                f'rule "{self.rule.name}" reads "{name}" on layer "{self.state.layer}", but declares only '
                f"{self.rule.reads}.",
                f'Add "{name}" to its `reads`.',
            )
        self.read.add(name)
        return self._values[name]


class Rule:
    """Base of every rule, and back-propagation's update: ΔW = -δ ⊗ x (to be added, before the learning rate).

    sends      what reaches the layer below: "exact" Wᵀ δ, "feedback" an error by weights of its own, "none" zero
    procedure  how a step is run: "backward", "perturbed", "two_pass", "relaxation" (see procedures/)
    bits       transported per weight: what the rule demands of biology; every rule has to say
    """

    name: ClassVar[str] = ""
    family: ClassVar[str] = "transport"
    reads: tuple[str, ...] = ("x", "delta")
    sends: Sends = "feedback"
    procedure: ClassVar[str] = "backward"
    bits: float
    options: Mapping[str, float | str] = {}  # given to the constructor, where they are not the default
    constraints: Sequence["Constraint"] = ()  # what the weights obey: oja+nonneg+norm

    def feedback_weights(self, W: Array, state: State) -> Array | None:
        """B, of W's shape, through which δ is sent down; None where the rule has no such matrix."""
        return None

    def below(self, maps: Maps, s: Signals) -> Array:
        """The error that is sent to the layer's input: Bᵀ δ. Not asked where `sends` is "none"."""
        B = self.feedback_weights(s.W, s.state)
        if B is None:
            raise no_route(self)
        return maps.pull(s.delta, B)

    def update(self, maps: Maps, s: Signals) -> Array:
        """ΔW, of W's shape."""
        return -maps.outer(s.delta, s.x)

    def __str__(self) -> str:
        """The specification that makes it again."""
        return "+".join([self.specification(), *map(str, self.constraints)])

    def specification(self) -> str:
        """Its name, and the options that were given."""
        given = ";".join(f"{name}={shortest(value)}" for name, value in self.options.items())
        return f"{self.name}({given})" if given else self.name


def shortest(value: float | str) -> str:
    """A number as short as it can be written without a loss: 1, 0.5, 1e-05; a word as it is."""
    if isinstance(value, str):
        return value
    return f"{value:g}" if float(f"{value:g}") == value else repr(value)


def no_route(rule: Rule) -> UsageError:
    return UsageError(
        f'rule "{rule.name}" sends no error down.',
        'It needs `feedback_weights` or `below`, or to say so: sends = "none".',
    )
