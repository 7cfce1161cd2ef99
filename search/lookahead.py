"""Architecture gradients that look one weight step ahead: DARTS' second order, and the look-ahead over rules.

Both differentiate J(α) = L_val(w - η·g(α)), where g is what the rules make of L_train.

second     g is a gradient (BP only): ∇α J = ∇α L_val(w') - η ∇²_αw L_train · v, v = ∇L_val(w'), by the central
           difference of ∇α L_train at w ± Rv, R = 0.01/‖v‖ (Liu, Simonyan & Yang 2019, Eqs. 7 and 8).

lookahead  g is any rule's update; weights are shared by an operation's rules, whose errors are blended by
           p(r|o). With ⟨v, g⟩ = Σ_l ⟨δ_l, v_l x_l⟩ and δ going down through B = Σ_r p_r B_r, the transpose of
           that descent carries τ_y = v x + B τ_x upwards, and at every synapse
               ∂J/∂p_r = -η ⟨B_rᵀ δ, τ_x⟩ = -η ⟨B_r, δ ⊗ τ_x⟩        (DFA: -η ⟨B_rᵀ e, τ_x⟩)
           exactly, all rules at once, at the price of one more forward. Where some of a blend's rules are local,
           only the part d = Σ_(r descends) p_r of its update follows δ: τ_y = d v x + B τ_x, and p_r weighs the
           update too: ∂J/∂p_r gains η ⟨v, ΔW_r⟩. The operation's weight q_o gets ∂L_val(w')/∂q_o, the
           first-order term.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..engine.backend import Array, array_module
from ..engine.lanes import Blend, descends, transports
from ..engine.parameter import norm
from ..engine.rule import Maps, Rule, Signals
from ..engine.step import Step
from ..layers.model import Model
from ..layers.supernet import Supernet, Weights
from ..layers.synapse import Synapse
from .architecture import Architecture, Floats
from .passes import Batch, Told, mixed_pass


class Ahead:
    """The supernet, its architecture, and the passes that a look ahead is made of. drop_path: as in these passes."""

    def __init__(self, model: Model, supernet: Supernet, architecture: Architecture) -> None:
        self.model, self.supernet, self.architecture = model, supernet, architecture
        self.drop_path = 0.0

    def step(
        self,
        update: int,
        clock: Array | None = None,
        *,
        learn: bool,
        exact: bool = False,
        keep_tape: bool = False,
        purpose: str = "virtual",
    ) -> Step:
        """Of a pass that looks only: batch norm follows no statistics."""
        key = self.model.key.to("step")
        step = Step(key, update, clock, learn=learn, exact=exact, keep_tape=keep_tape, purpose=purpose)
        step.track, step.drop_path = False, self.drop_path
        return step

    def first(self, val: Batch, update: int, clock: Array | None = None) -> tuple[Told, Floats]:
        """∂L_val/∂α at the present weights, through the rules' own feedback."""
        told = mixed_pass(
            self.model,
            self.supernet,
            val,
            self.architecture.lane_weights(),
            self.step(update, clock, learn=False, purpose="architecture"),
        )
        return told, self.architecture.gradient(told.dq)

    def second(
        self,
        train: Batch,
        val: Batch,
        update: int,
        eta: float | Array,
        momentum: Array,
        mu: float,
        decay: float,
        reach: float = 0.01,
    ) -> tuple[Told, Floats]:
        """DARTS' second order; momentum is the optimiser's buffer, decay its weight decay, R = reach/‖v‖.

        The quotient is exact as R → 0 (tested against the total derivative). At DARTS' reach it steps over the
        kinks of rectifiers: on tiny networks and batches its error can exceed the term itself.
        """
        w, grad = self.model.arena.value, self.model.arena.grad
        saved, q, eta = w.copy(), self.architecture.lane_weights(), self._rounded(eta)
        mixed_pass(self.model, self.supernet, train, q, self.step(update, learn=True))
        w -= eta * (mu * momentum + grad + decay * saved)
        told = mixed_pass(self.model, self.supernet, val, q, self.step(update, learn=True))
        v = grad.copy()
        radius = reach / array_module(v).maximum(norm(v), 1e-12)
        moved = radius.astype(v.dtype) * v
        plus, minus = (self._train_dq(train, q, update, at) for at in (saved + moved, saved - moved))
        w[...] = saved
        dq = tuple(d - eta * (p - m) / (2 * radius) for d, p, m in zip(told.dq, plus, minus, strict=True))
        return told, self.architecture.gradient((dq[0], dq[1]))

    def _train_dq(self, train: Batch, q: Weights, update: int, at: Array) -> Weights:
        self.model.arena.value[...] = at
        return mixed_pass(self.model, self.supernet, train, q, self.step(update, learn=False)).dq

    def lookahead(
        self, train: Batch, val: Batch, update: int, eta: float | Array, clock: Array | None = None
    ) -> tuple[Told, Floats]:
        """∂L_val(w - η g(α))/∂α: exact in the rules, first order in the operations."""
        w, grad = self.model.arena.value, self.model.arena.grad
        saved, q, eta = w.copy(), self.architecture.lane_weights(), self._rounded(eta)
        swept = self.step(update, clock, learn=True, keep_tape=True)
        mixed_pass(self.model, self.supernet, train, q, swept)
        w -= eta * grad
        told = mixed_pass(self.model, self.supernet, val, q, self.step(update, clock, learn=True, exact=True))
        w[...] = saved
        swept.direction = {p: p.grad for p in self.model.arena.parameters}  # v
        self.supernet.tangent_mixed(swept)
        return told, self.architecture.gradient(told.dq, self._rule_gradients(swept, eta))

    def _rounded(self, eta: float | Array) -> float | Array:
        """η as the weights' type has it, as a number too: a recorded step reads it from an array of that type."""
        return float(np.asarray(eta, self.model.dtype)) if isinstance(eta, float) else eta

    def _rule_gradients(self, swept: Step, eta: float | Array) -> dict[Blend, Floats]:
        """∂J/∂p(r|o) of every blend, summed over its synapses (an edge's cells, an operation's layers)."""
        blamed: dict[Blend, Floats] = {}
        for synapse in self.model.synapses:
            for rule in synapse.rules:
                if isinstance(rule, Blend) and synapse in swept.tangents:
                    if rule not in blamed:
                        blamed[rule] = self.model.backend.zeros((len(rule.rules),), np.float64)
                    _blame(synapse, rule, swept, blamed[rule])
        return {rule: -eta * total for rule, total in blamed.items()}


def _blame(synapse: Synapse, blend: Blend, swept: Step, total: Floats) -> None:
    """Adds what each rule of the blend contributes to ⟨v, g⟩: by its error, ⟨B_rᵀ δ, τ_x⟩, and by its own update."""
    x, *_ = swept.tape[synapse]
    delta, t = swept.deltas[synapse], swept.tangents[synapse]
    swept.share = swept.shares[synapse]
    s = synapse.signals(x, delta, swept).lane(0, blend)
    maps, v = synapse.maps(x), synapse.laned(swept.direction[synapse.W])[0]
    product = maps.outer(delta, t)[0]
    for r, rule in enumerate(blend.rules):
        if rule.sends != "none":
            total[r] += _sent(rule, maps, s, product, t[:, 0])
        if not all(map(descends, blend.rules)):  # else they learn alike whatever their weights
            total[r] -= array_module(v).vdot(v, rule.update(maps, s.of(rule)))


def _sent(rule: Rule, maps: Maps, s: Signals, product: Array, t: Array) -> Array:
    """⟨B_rᵀ δ, τ_x⟩, 0-d."""
    vdot: Callable[[Any, Any], Array] = array_module(t).vdot
    if transports(rule):
        return vdot(rule.feedback_weights(s.W, s.state), product)
    return vdot(rule.below(maps, s.of(rule)), t)
