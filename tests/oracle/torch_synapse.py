"""Weighted maps in PyTorch that learn by a rule.

Autograd does everything but two things: the error that a map sends to its input goes through B in the place of W,
and a rule with an update of its own puts that in the place of the gradient.
"""

import math
from collections.abc import Callable
from typing import Any

import torch_local
import torch_perturbed
from torch_local import Seen
from torch_rules import Draw, Rules, Tensor, feedback_weights, name_of, torch


class Transport(torch.autograd.Function):
    """y = W x;  the gradient of W is -ΔW of the synapse's rules;  to x goes what they send."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, W: Tensor, synapse: "Synapse") -> Tensor:
        ctx.save_for_backward(x, W)
        ctx.synapse = synapse
        return synapse.push(x, W)

    @staticmethod
    def backward(ctx: Any, delta: Tensor) -> tuple[Tensor | None, Tensor, None]:
        x, W = ctx.saved_tensors
        sent = ctx.synapse.send(x, W, delta) if ctx.needs_input_grad[0] else None
        return sent, ctx.synapse.learn(x, W, delta), None


class Synapse(torch.nn.Module):
    """A map without bias. draw, noise: its random numbers, which `key` names. Of this pass: top, e = ∂L/∂logits;
    modulator; apart (K, N), how far each sample's loss parts with the noise; nudge, (probe, sign) of that noise.
    """

    top: Tensor
    draw: Draw
    noise: Callable[[str, int, tuple[int, ...]], Tensor]
    key: Any
    modulator = 0.0
    apart: Tensor | None = None
    nudge: tuple[int, float] | None = None
    share: Any = 1.0  # the weight of its candidate in the edge's mixture
    exact = False  # True: the exact gradient, whatever the rules

    def __init__(self, shape: tuple[int, ...], groups: int, rules: Rules) -> None:
        super().__init__()
        fan_in, fan_out = math.prod(shape[1:]), shape[0] // groups * math.prod(shape[2:])  # within a group
        self.s = math.sqrt(2.0 / (fan_in + fan_out))  # Glorot & Bengio 2010
        self.groups, self.rules = groups, [(1.0, rules)] if isinstance(rules, str) else rules
        self.weight = torch.nn.Parameter(torch.empty(shape))

    def push(self, x: Tensor, M: Tensor) -> Tensor:
        raise NotImplementedError

    def pull(self, x: Tensor, M: Tensor, delta: Tensor) -> Tensor:
        raise NotImplementedError

    def outer(self, x: Tensor, M: Tensor, delta: Tensor) -> Tensor:
        raise NotImplementedError

    def patches(self, x: Tensor) -> Tensor:
        """(G, P, D): what the units of each group see, of all samples and positions."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        if self.nudge is None:
            return Transport.apply(x, self.weight, self)
        (probe, sign), W = self.nudge, self.weight
        for _, rule in self.rules:
            xi = torch_perturbed.noise_in_weights(rule, self, probe)
            W = W if xi is None else W + sign * torch_perturbed.sigma_of(rule) * xi
        y = self.push(x, W)
        for _, rule in self.rules:
            xi = torch_perturbed.noise_in_output(rule, self, probe, y.shape)
            y = y if xi is None else y + sign * torch_perturbed.sigma_of(rule) * xi
        return y

    def send(self, x: Tensor, W: Tensor, delta: Tensor) -> Tensor:
        rules = [(1.0, "bp")] if self.exact else self.rules
        return sum((p * self._sent_by(rule, x, W, delta) for p, rule in rules), start=torch.zeros_like(x))

    def _sent_by(self, rule: str, x: Tensor, W: Tensor, delta: Tensor) -> Tensor:
        if rule != "dfa":
            B = feedback_weights(rule, W, self.s, self.draw)
            return torch.zeros_like(x) if B is None else self.pull(x, B, delta)
        shape = self.top.shape[1], x[0].numel()  # K, D
        B = math.sqrt(3.0) * math.sqrt(2.0 / sum(shape)) * self.draw("direct", shape, False)
        return self.share * (self.top @ B).view_as(x)

    def learn(self, x: Tensor, W: Tensor, delta: Tensor) -> Tensor:
        """-ΔW."""
        rules = [(1.0, "bp")] if self.exact else self.rules
        return sum((p * self._learnt_by(rule, x, W, delta) for p, rule in rules), start=torch.zeros_like(W))

    def _learnt_by(self, rule: str, x: Tensor, W: Tensor, delta: Tensor) -> Tensor:
        if name_of(rule) in torch_local.UPDATES:
            return -torch_local.update(rule, self._seen(x, W)).view_as(W)
        if torch_perturbed.probes_of(rule):
            return -torch_perturbed.update(rule, self, x, self._seen(x, W))
        return self.outer(x, W, delta)

    def _seen(self, x: Tensor, W: Tensor) -> Seen:
        X, grouped = self.patches(x), W.reshape(self.groups, len(W) // self.groups, -1)
        Y = X @ grouped.mT
        if hasattr(self, "bias"):
            Y = Y + self.bias.detach()
        return Seen(X, grouped, Y, self.modulator)
