"""Rules in combination: side by side on the lanes of one operation, or blended on one synapse.

Lanes: the R variants of an operation run as one operation with a lane axis; lane r of W learns by rules[r].
Blend: one forward weight; the error goes down through Σ_r p_r B_r, p_r the rule's probability.
"""

from collections.abc import Callable, Sequence
from typing import Any

from .backend import Array, array_module
from .rule import Maps, Rule, Signals, State, no_route


def uses_base(rules: Sequence[Rule], method: str) -> bool:
    """Whether all rules keep the base class's method (then one product serves all lanes)."""
    return all(getattr(type(rule), method) is getattr(Rule, method) for rule in rules)


class Lanes:
    """R rules side by side. Arrays carry the lane axis: x (N, R or 1, ...), delta (N, R, ...), W (R, ...).

    A rule sees its own lane only, and without the lane axis.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = list(rules)
        self._transports = uses_base(self.rules, "below") and self._declare("delta")
        self._descends = uses_base(self.rules, "update") and self._declare("x", "delta")

    def _declare(self, *signals: str) -> bool:
        """Whether one product may serve all lanes; else each rule goes its own way, and is refused there."""
        return all(signal in rule.reads for rule in self.rules for signal in signals)

    def feedback_weights(self, W: Array, states: Sequence[State]) -> Array:
        """B (R, ...) of the transporting rules. Raises UsageError where a lane has none."""
        lanes = []
        for r, rule in enumerate(self.rules):
            B = rule.feedback_weights(W[r], states[r])
            if B is None:
                raise no_route(rule)
            lanes.append(B)
        if len(lanes) == 1:
            return lanes[0][None]
        stacked: Array = array_module(W).stack(lanes)
        return stacked

    def below(self, maps: Maps, s: "LaneSignals") -> Array:
        """The error that is sent to the input, (N, R, ...), or (N, 1, ...) where the lanes share it."""
        if self._transports:
            return maps.pull(s.delta, self.feedback_weights(s.W, s.states))
        sent = self._each(maps, s, lambda rule: rule.below, axis=1)
        return sent.sum(axis=1, keepdims=True) if s.x.shape[1] < len(self.rules) else sent

    def update(self, maps: Maps, s: "LaneSignals") -> Array:
        """ΔW (R, ...)."""
        if self._descends:
            return -maps.outer(s.delta, s.x)
        return self._each(maps, s, lambda rule: rule.update, axis=0)

    def _each(
        self,
        maps: Maps,
        s: "LaneSignals",
        method: Callable[[Rule], Callable[[Maps, Signals], Array]],
        axis: int,
    ) -> Array:
        lanes = [method(rule)(maps, s.lane(r, rule)) for r, rule in enumerate(self.rules)]
        stacked: Array = array_module(s.x).stack(lanes, axis=axis)
        return stacked


class LaneSignals:
    """The signals of all lanes of one synapse; `lane` gives a rule its own.

    share (R,): each lane's weight in its mixture. δ carries it already; e = top gets it here, so that what a
    lane sends by e is as small a part of the whole as what another sends by δ.
    """

    def __init__(
        self,
        W: Array,
        states: Sequence[State],
        x: Array,
        delta: Array,
        top: Array | None,
        share: Array | None,
        maps: Maps,
    ) -> None:
        self.W, self.states, self.x, self.delta, self.top = W, states, x, delta, top
        self.share, self.maps = share, maps

    def lane(self, r: int, rule: Rule) -> Signals:
        x = self.x[:, r if self.x.shape[1] > 1 else 0]
        top = self.top
        if top is not None and self.share is not None:
            top = top * self.share[r].astype(top.dtype)
        y = self.maps.push(x, self.W[r]) if "y" in rule.reads else None
        return Signals(rule, self.W[r], self.states[r], x=x, y=y, delta=self.delta[:, r], top=top)


class Blend(Rule):
    """B = Σ_r p_r B_r: the error is a mixture of what each rule would send; so are the updates.

    `weights` (R,) holds p_r, the probability of rule r given the operation; whoever owns α sets it before a
    pass. A rule with a route of its own (DFA) adds p_r times the error that it sends.
    """

    name = ""  # not a rule that can be named
    family = "blend"

    def __init__(self, rules: Sequence[Rule], weights: Sequence[float] | None = None) -> None:
        self.rules = list(rules)
        self.weights = list(weights) if weights is not None else [1.0 / len(self.rules)] * len(self.rules)
        self.reads = tuple(sorted({name for rule in self.rules for name in rule.reads}))  # type: ignore[misc]

    def feedback_weights(self, W: Array, state: State) -> Array | None:
        total = None
        for p, rule in zip(self.weights, self.rules, strict=True):
            B = rule.feedback_weights(W, state)
            if B is not None:
                total = W.dtype.type(p) * B + (0 if total is None else total)
        return total

    def below(self, maps: Maps, s: Signals) -> Array:
        B = self.feedback_weights(s.W, s.state)
        sent: Any = 0 if B is None else maps.pull(s.delta, B)
        for p, rule in zip(self.weights, self.rules, strict=True):
            if not uses_base([rule], "below"):
                sent = sent + s.W.dtype.type(p) * rule.below(maps, s.of(rule))
        total: Array = sent
        return total

    def update(self, maps: Maps, s: Signals) -> Array:
        descending = sum(p for p, r in zip(self.weights, self.rules, strict=True) if uses_base([r], "update"))
        total: Any = -s.W.dtype.type(descending) * maps.outer(s.delta, s.x) if descending else 0
        for p, rule in zip(self.weights, self.rules, strict=True):
            if not uses_base([rule], "update"):
                total = total + s.W.dtype.type(p) * rule.update(maps, s.of(rule))
        whole: Array = total
        return whole

    def __str__(self) -> str:
        return "+".join(f"{p:.2f}{rule}" for p, rule in zip(self.weights, self.rules, strict=True))
