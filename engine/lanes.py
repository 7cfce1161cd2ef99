"""Rules in combination: side by side on the lanes of one operation, or blended on one synapse.

Lanes: the R variants of an operation run as one operation with a lane axis; lane r of W learns by rules[r].
Blend: one forward weight; the error goes down through Σ_r p_r B_r, p_r the rule's probability.

Whatever rules the lanes mix, those that transport share one pull, and those that descend one outer.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from .backend import Array, array_module, stack, to_host
from .constraints import Constraint
from .errors import UsageError
from .guard import Guard, is_foreign
from .rule import Maps, Rule, Signals, State, no_route


def uses_base(rule: Rule, method: str) -> bool:
    """Whether the rule keeps the base class's method (then one product serves all lanes)."""
    return getattr(type(rule), method) is getattr(Rule, method)


def transports(rule: Rule) -> bool:
    """Whether what the rule sends down is Bᵀ δ and nothing else; a blend of such does, by B = Σ_r p_r B_r."""
    if isinstance(rule, Blend):
        return all(map(transports, rule.rules))
    return uses_base(rule, "below") and rule.sends != "none" and "delta" in rule.reads


def descends(rule: Rule) -> bool:
    """Whether the weight learns by ΔW = -δ ⊗ x and by nothing else; a blend of such does."""
    if isinstance(rule, Blend):
        return all(map(descends, rule.rules))
    return uses_base(rule, "update") and {"x", "delta"} <= set(rule.reads)


def only_transports(rule: Rule) -> bool:
    """Whether the rule sends Bᵀ δ and learns by -δ ⊗ x, so that a fused kernel may do both."""
    return transports(rule) and descends(rule)


def is_taught(rule: Rule) -> bool:
    """Whether its update hears of the labels: by an error, by how the loss answers, or by reward or surprise."""
    if isinstance(rule, Blend):
        return any(map(is_taught, rule.rules))
    return descends(rule) or bool({"delta", "top", "dloss", "modulator"} & set(type(rule).reads))


def is_built_in(rule: Rule) -> bool:
    """Whether its code is this package's own, which may run on several threads at once."""
    if isinstance(rule, Blend):
        return all(map(is_built_in, rule.rules))
    return not is_foreign(rule)


class Lanes:
    """R rules side by side. Arrays carry the lane axis: x (N, R or 1, ...), delta (N, R, ...), W (R, ...).

    A rule sees its own lane only, and without the lane axis. `descent`: the part of the update that is -δ ⊗ x,
    for each lane: 1, or 0 for a rule with an update of its own; in between for a blend.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules, self._guard = list(rules), Guard()
        sending = [r for r, rule in enumerate(rules) if rule.sends != "none"]
        self._through_B = [r for r in sending if transports(rules[r])]
        self._own_route = [r for r in sending if not transports(rules[r])]
        self._own_update = [r for r, rule in enumerate(rules) if not descends(rule)]
        self.all_descend = not self._own_update  # so that `descent` is 1 everywhere
        self.some_descend = any(map(_some_descend, rules))  # of any lane, or of a blend

    @property
    def descent(self) -> "list[float | Array]":
        return [r.descent if isinstance(r, Blend) else float(descends(r)) for r in self.rules]

    def feedback_weights(self, W: Array, states: Sequence[State]) -> Array:
        """B (R, ...); 0 in a lane whose rule sends nothing through such a matrix."""
        xp, lanes = array_module(W), []
        for r, rule in enumerate(self.rules):
            B = None
            if isinstance(rule, Blend):
                B = rule.feedback_weights(W[r], states[r])
            elif r in self._through_B:
                B = _matrix(self._guard, rule, W[r], states[r])
            lanes.append(xp.zeros_like(W[r]) if B is None else B)
        if len(lanes) == 1:
            return lanes[0][None]
        return stack(lanes)

    def below(self, maps: Maps, s: "LaneSignals") -> Array:
        """The error that is sent to the input, (N, R, ...), or (N, 1, ...) where the lanes share it."""
        if self._through_B:
            s.note(self._through_B, "delta")
            sent = maps.pull(s.delta, self.feedback_weights(s.W, s.states))
        else:
            sent = array_module(s.x).zeros_like(s.x)
        for r in self._own_route:
            lane = s.lane(r, self.rules[r])
            target = sent[:, min(r, sent.shape[1] - 1)]
            target += self._guard.ask(self.rules[r], "below", maps, lane, s=lane, like=target)
        return sent

    def update(self, maps: Maps, s: "LaneSignals") -> Array:
        """ΔW (R, ...)."""
        s.note((r for r in range(len(self.rules)) if r not in self._own_update), "x", "delta")
        nobody_descends = len(self._own_update) == len(self.rules)
        dW = array_module(s.W).empty_like(s.W) if nobody_descends else -maps.outer(s.delta, s.x)
        for r in self._own_update:
            lane = s.lane(r, self.rules[r])
            found = self._guard.ask(self.rules[r], "update", maps, lane, s=lane, like=dW[r])
            if len(dW) == 1:
                return found[None]
            dW[r] = found
        return dW


class LaneSignals:
    """The signals of all lanes of one synapse; `lane` gives a rule its own.

    bias (O,), or None: part of what a rule reads as y. output (N, R, ...): y less the bias, as forward made it, or
    None: it is made again where a rule reads it. share (R,): each lane's weight in its mixture. δ carries it already;
    e = top gets it here, so that what a lane sends by e is as small a part of the whole as what another sends by δ.
    """

    def __init__(
        self,
        W: Array,
        states: Sequence[State],
        x: Array,
        delta: Array,
        maps: Maps,
        *,
        share: Array | None = None,
        bias: Array | None = None,
        output: Array | None = None,
        **broadcast: Array | None,
    ) -> None:
        """broadcast: what is the same for all lanes, by name: top, modulator."""
        self.W, self.states, self.x, self.delta, self.maps = W, states, x, delta, maps
        self.share, self.bias, self.output, self.broadcast = share, bias, output, broadcast
        self.read: list[set[str]] = [set() for _ in states]  # by lane, what its rule took

    def note(self, lanes: Iterable[int], *names: str) -> None:
        """One product read these for several lanes."""
        for r in lanes:
            self.read[r].update(names)

    @property
    def top(self) -> Array | None:
        return self.broadcast.get("top")

    def lane(self, r: int, rule: Rule) -> Signals:
        x, top = self.x[:, r if self.x.shape[1] > 1 else 0], self.top
        if top is not None and self.share is not None:
            top = top * self.share[r].astype(top.dtype)
        y = self._output(r, x) if "y" in rule.reads else None
        known = self.broadcast | {"x": x, "y": y, "delta": self.delta[:, r], "top": top}
        signals = Signals(rule, self.W[r], self.states[r], **known)
        signals.read = self.read[r]
        return signals

    def _output(self, r: int, x: Array) -> Array:
        y = self.output
        y = self.maps.push(x, self.W[r]) if y is None else array_module(x).ascontiguousarray(y[:, r])
        return y if self.bias is None else y + self.bias


class Blend(Rule):
    """B = Σ_r p_r B_r: the error is a mixture of what each rule would send; so are the updates.

    `weights` (R,) holds p_r, the probability of rule r given the operation, numbers or an array on the device;
    whoever owns α sets it before a pass. A rule with a route of its own (DFA) adds p_r times the error that it sends,
    a rule that sends none adds nothing, and the update of a local rule counts by p_r.
    """

    name = ""  # not a rule that can be named
    family = "blend"

    def __init__(self, rules: Sequence[Rule], weights: Sequence[float] | None = None) -> None:
        self.rules, self._guard = list(rules), Guard()
        self._transporting = [transports(rule) for rule in rules]
        self.weights: Any = (
            list(weights) if weights is not None else [1.0 / len(self.rules)] * len(self.rules)
        )
        self.reads = tuple(sorted({name for rule in self.rules for name in rule.reads}))
        self.constraints = self._agreed_constraints()
        self.sends = "none" if all(rule.sends == "none" for rule in self.rules) else "feedback"

    def _agreed_constraints(self) -> Sequence[Constraint]:
        kinds = {"+".join(map(str, rule.constraints)) or "none" for rule in self.rules}
        if len(kinds) > 1:
            raise UsageError(
                f"rules that share a weight have different constraints: {', '.join(sorted(kinds))}.",
                "Give all of them the same, or use --weights own.",
            )
        return self.rules[0].constraints if self.rules else ()

    @property
    def descent(self) -> "float | Array":
        """The share of the update that is -δ ⊗ x; the number 1 where every rule descends, 0 where none does."""
        following = [r for r, rule in enumerate(self.rules) if descends(rule)]
        if len(following) in (0, len(self.rules)):
            return float(bool(following))
        share: Array = sum(self.weights[r] for r in following)
        return share

    def feedback_weights(self, W: Array, state: State) -> Array | None:
        total = None
        for (p, rule), through_B in zip(self._weighted(W), self._transporting, strict=True):
            if through_B:
                B = p * _matrix(self._guard, rule, W, state)
                total = B if total is None else total + B
        return total

    def below(self, maps: Maps, s: Signals) -> Array:
        B = self.feedback_weights(s.W, s.state)
        sent = array_module(s.x).zeros_like(s.x) if B is None else maps.pull(s.delta, B)
        for (p, rule), through_B in zip(self._weighted(s.W), self._transporting, strict=True):
            if rule.sends != "none" and not through_B:
                own = s.of(rule)
                sent += p * self._guard.ask(rule, "below", maps, own, s=own, like=sent)
        return sent

    def update(self, maps: Maps, s: Signals) -> Array:
        total: Any = 0
        if any(map(descends, self.rules)):
            total = -scaled(maps.outer(s.delta, s.x), self.descent)
        for p, rule in self._weighted(s.W):
            if not descends(rule):
                own = s.of(rule)
                total = total + p * self._guard.ask(rule, "update", maps, own, s=own, like=s.W)
        whole: Array = total
        return whole

    def _weighted(self, like: Array) -> list[tuple[Any, Rule]]:
        """(p_r, rule), p_r a 0-d array of like's type where `like` lies."""
        weights = array_module(like).asarray(self.weights, like.dtype)
        return list(zip(weights, self.rules, strict=True))

    def __str__(self) -> str:
        weights = to_host(self.weights) if hasattr(self.weights, "get") else self.weights
        return "+".join(f"{p:.2f}{rule}" for p, rule in zip(weights, self.rules, strict=True))


def scaled(a: Array, share: "float | Array") -> Array:
    """share·a; a itself where share is the number 1."""
    if isinstance(share, float):
        return a if share == 1.0 else a.dtype.type(share) * a
    return share.astype(a.dtype) * a


def _some_descend(rule: Rule) -> bool:
    return any(map(descends, rule.rules)) if isinstance(rule, Blend) else descends(rule)


def _matrix(guard: Guard, rule: Rule, W: Array, state: State) -> Array:
    """B of one rule. Raises UsageError where it has none."""
    if uses_base(rule, "feedback_weights"):
        raise no_route(rule)
    return guard.ask(rule, "feedback_weights", W, state, s=Signals(rule, W, state), like=W)
