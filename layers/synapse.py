"""A weighted layer: four linear maps, and the one place where a learning rule meets them."""

from collections.abc import Sequence

from ..engine.backend import Array, array_module
from ..engine.errors import UsageError
from ..engine.kernels import elementwise
from ..engine.lanes import Lanes, LaneSignals, scaled
from ..engine.parameter import Parameter, uniform_of_std, xavier_std
from ..engine.procedures.perturbed import perturbations
from ..engine.random import Key, Shape
from ..engine.rule import Maps, Rule, State
from ..engine.step import Step
from .layer import Layer
from .telling import Telling


class Synapse(Layer):
    """y = W x, learning by `rules`, one a lane. Subclasses give the linear maps and say where lanes lie.

    Where `sends_error` is False, backward returns what arrived. The tangent sweep is for rules that transport
    the error through a matrix B, or blends of them.
    """

    def __init__(self, shape: Shape, rules: Sequence[Rule], groups: int = 1) -> None:
        """shape: of one lane's W. rules: one a lane; more than one adds a lane axis to W."""
        self.s = xavier_std(shape, groups)
        self.groups = groups
        self.rules, self.lanes, self.rule = list(rules), len(rules), Lanes(rules)
        laned = shape if self.lanes == 1 else (self.lanes, *shape)
        self.W = Parameter(laned, uniform_of_std(self.s), None if self.lanes == 1 else self.lanes)
        self.states: list[State] = []
        self.place = 0  # among the synapses of its network, from the data to the loss

    def attach(self, key: Key) -> None:
        """Give each lane the state that its rule draws from; `key` is the run's, the layer's name is set."""
        kinds = [rule.name or rule.family for rule in self.rules]  # not str(rule): a blend's weights change
        self.states = [
            State(key.to(f"{self.name}/{r}/{kind}"), self.s, self.name) for r, kind in enumerate(kinds)
        ]

    @property
    def constrained(self) -> bool:
        return any(rule.constraints for rule in self.rules)

    def check_constraints(self) -> None:
        """Raises UsageError for one that needs a bias where there is none."""
        for rule in self.rules:
            if self.bias is None and any(constraint.needs_bias for constraint in rule.constraints):
                raise UsageError(
                    f'rule "{rule}": layer "{self.name}" has no bias that homeostasis could move.',
                    "Give it to linear layers only, with --rules-per-layer; batch norm balances the others.",
                )

    def constrain(self, start: bool = False) -> None:
        """Make W obey its rules' constraints: the initial weights, or those after a step of the optimiser."""
        for r, W in enumerate(self.laned(self.W.value)):
            for constraint in self.rules[r].constraints:
                mend = constraint.start if start else constraint.apply
                mend(W, self.states[r], self.groups)

    def maps(self, x: Array) -> Maps:
        """push, pull and outer, with the lane axis or without, for inputs of x's shape."""
        raise NotImplementedError

    @property
    def bias(self) -> Array | None:
        """What forward adds to W x, (O,)."""
        return None

    def laned(self, weight: Array) -> Array:
        """A weight-shaped array with its lane axis."""
        return weight[None] if self.lanes == 1 else weight

    def forward(self, x: Array, step: Step) -> Array:
        if step.nudge is not None and self.perturbed:
            step.keep(self, x)
            return self._nudged(x, step)
        y = self.maps(x).push(x, self.laned(self.W.value))
        if step.answers:
            self.tell_answer(x, step)
        if step.forward_only and step.learn:
            self._learn_at_once(x, y, step)
        elif step.learn and not step.exact and any("y" in rule.reads for rule in self.rules):
            step.keep(self, x, y)
        else:
            step.keep(self, x)
        return y

    @property
    def perturbed(self) -> bool:
        return bool(perturbations(self.rules))

    def _nudged(self, x: Array, step: Step) -> Array:
        """W x with the noise of the perturbative rules in W or in the output."""
        assert step.nudge is not None
        probe, sign = step.nudge
        W, maps = self.laned(self.W.value).copy(), self.maps(x)
        self.tell_update(step)
        for r, rule in enumerate(self.rules):
            self._add_noise("weights", rule, W[r], self.states[r], probe, sign)
        y = maps.push(x, W)
        for r, rule in enumerate(self.rules):
            self._add_noise("output", rule, y[:, r], self.states[r], probe, sign)
        return y

    @staticmethod
    def _add_noise(where: str, rule: Rule, target: Array, state: State, probe: int, sign: float) -> None:
        for each in perturbations([rule]):
            noise = each.noise(probe, target, state) if each.acts_on == where else None
            if noise is not None:
                target += target.dtype.type(sign * each.sigma) * noise

    def _learn_at_once(self, x: Array, y: Array, step: Step) -> None:
        """The update of rules that hear of no error, in the forward pass: none will arrive, δ = 0."""
        s = self.signals(x, array_module(y).zeros_like(y), step, output=y)
        self.tell(s, array_module(x).zeros_like(x), self.update(s, step), step)

    def tell_update(self, step: Step) -> None:
        """Which update this is: what the rules draw is a function of it."""
        for state in self.states:
            state.update, state.clock = step.update, step.clock

    def backward(self, delta: Array, step: Step) -> Array:
        x, *output = step.take(self)
        if step.keep_tape:
            step.deltas[self], step.shares[self] = delta, step.share
        s = self.signals(x, delta, step, *output)
        dW = self.update(s, step) if step.learn else None
        below = self.below(s, step) if self.sends_error else delta
        self.tell(s, below, dW, step)
        return below

    def tell(self, s: LaneSignals, below: Array, dW: Array | None, step: Step) -> None:
        """Let the probes of this pass see what the synapse was told, what it sent down, and how it learns."""
        if step.probes:
            told = Telling(self, s, below if self.sends_error else None, dW, step)
            for probe in step.probes:
                probe.record(self, step, told)

    def tell_answer(self, x: Array, step: Step) -> None:
        """Let the probes of an evaluation see x, y and W: nothing arrives there, is sent or learnt."""
        no_error = x[:0]
        s = LaneSignals(self.laned(self.W.value), self.states, x, no_error, self.maps(x), bias=self.bias)
        told = Telling(self, s, None, None, step)
        for probe in step.probes:
            probe.record(self, step, told)

    def signals(self, x: Array, delta: Array, step: Step, output: Array | None = None) -> LaneSignals:
        """output: W x, where forward kept it; made again where a rule reads it."""
        self.tell_update(step)
        W, maps = self.laned(self.W.value), self.maps(x)
        everywhere = {"top": step.top, "modulator": step.modulator, "dloss": step.dloss}
        return LaneSignals(
            W, self.states, x, delta, maps, share=step.share, bias=self.bias, output=output, **everywhere
        )

    def update(self, s: LaneSignals, step: Step) -> Array | None:
        """ΔW (R, ...), which is taken off the gradient: grad collects -Δw. None where nobody asks for ΔW itself."""
        if not step.probes and (step.exact or self.rule.all_descend):
            self.descend(s.maps.outer(s.delta, s.x))
            return None
        dW = -s.maps.outer(s.delta, s.x) if step.exact else self.rule.update(s.maps, s)
        elementwise.take(self.W.grad, dW.reshape(self.W.shape))
        return dW

    def below(self, s: LaneSignals, step: Step) -> Array:
        return s.maps.pull(s.delta, s.W) if step.exact else self.rule.below(s.maps, s)

    def sending_weights(self, step: Step) -> Array:
        """B (R, ...) through which this pass sends the error: W itself in an exact one."""
        W = self.laned(self.W.value)
        self.tell_update(step)
        return W if step.exact else self.rule.feedback_weights(W, self.states)

    def descend(self, gradient: Array) -> None:
        """Take in a gradient (R, ...) that a fused kernel made."""
        self.W.grad += gradient.reshape(self.W.shape)

    def feedback_weights(self) -> list[Array | None]:
        """B of each lane as its rule would make it now (None where a rule has no such matrix)."""
        W = self.laned(self.W.value)
        return [rule.feedback_weights(W[r], self.states[r]) for r, rule in enumerate(self.rules)]

    def tangent(self, t: Array, step: Step) -> Array:
        """τ_y = d v x + B τ_x, v the direction in which W moves; leaves τ_x on the step.

        B is what sends the error, and d the part of the update that follows it, so that the sweep is the transpose
        of the rule's backward.
        """
        x, *_ = step.take(self)
        maps = self.maps(x)
        moved = maps.push(x, self.laned(step.direction[self.W]))
        if not self.rule.all_descend:
            for r, share in enumerate(self.rule.descent):
                moved[:, r] = scaled(moved[:, r], share)
        if not self.sends_error:
            return moved
        step.tangents[self] = t
        return moved + maps.push(t, self.rule.feedback_weights(self.laned(self.W.value), self.states))
