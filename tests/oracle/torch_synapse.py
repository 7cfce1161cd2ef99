"""Weighted maps in PyTorch that learn by a rule.

Autograd does everything but one thing: the error that a map sends to its input goes through B in the place of W.
"""

import math
from typing import Any

from torch_rules import Draw, Rules, Tensor, feedback_weights, torch

F = torch.nn.functional


class Transport(torch.autograd.Function):
    """y = W x;  ∂L/∂W = δ ⊗ x as ever;  to x goes what the synapse's rules send."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, W: Tensor, synapse: "Synapse") -> Tensor:
        ctx.save_for_backward(x, W)
        ctx.synapse = synapse
        return synapse.push(x, W)

    @staticmethod
    def backward(ctx: Any, delta: Tensor) -> tuple[Tensor | None, Tensor, None]:
        x, W = ctx.saved_tensors
        sent = ctx.synapse.send(x, W, delta) if ctx.needs_input_grad[0] else None
        return sent, ctx.synapse.outer(x, W, delta), None


class Synapse(torch.nn.Module):
    """A map without bias. top: e = ∂L/∂logits of this pass. draw: its random numbers, which `key` names."""

    top: Tensor
    draw: Draw
    key: Any
    share: Any = 1.0  # the weight of its candidate in the edge's mixture
    exact = False  # True: the exact gradient, whatever the rules

    def __init__(self, shape: tuple[int, ...], groups: int, rules: Rules) -> None:
        super().__init__()
        fan_in, fan_out = math.prod(shape[1:]), shape[0] // groups * math.prod(shape[2:])  # within a group
        self.s = math.sqrt(2.0 / (fan_in + fan_out))  # Glorot & Bengio 2010
        self.rules = [(1.0, rules)] if isinstance(rules, str) else rules
        self.weight = torch.nn.Parameter(torch.empty(shape))

    def push(self, x: Tensor, M: Tensor) -> Tensor:
        raise NotImplementedError

    def pull(self, x: Tensor, M: Tensor, delta: Tensor) -> Tensor:
        raise NotImplementedError

    def outer(self, x: Tensor, M: Tensor, delta: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        return Transport.apply(x, self.weight, self)

    def send(self, x: Tensor, W: Tensor, delta: Tensor) -> Tensor:
        rules = [(1.0, "bp")] if self.exact else self.rules
        return sum((p * self._sent_by(rule, x, W, delta) for p, rule in rules), start=torch.zeros_like(x))

    def _sent_by(self, rule: str, x: Tensor, W: Tensor, delta: Tensor) -> Tensor:
        if rule != "dfa":
            return self.pull(x, feedback_weights(rule, W, self.s, self.draw), delta)
        shape = self.top.shape[1], x[0].numel()  # K, D
        B = math.sqrt(3.0) * math.sqrt(2.0 / sum(shape)) * self.draw("direct", shape, False)
        return self.share * (self.top @ B).view_as(x)


class Conv(Synapse):
    """A convolution; padding keeps the size at stride 1 unless it is given."""

    def __init__(
        self,
        channels: int,
        outputs: int,
        kernel: int,
        rules: Rules,
        *,
        stride: int = 1,
        padding: int | None = None,
        dilation: int = 1,
        groups: int = 1,
    ) -> None:
        super().__init__((outputs, channels // groups, kernel, kernel), groups, rules)
        padding = dilation * (kernel // 2) if padding is None else padding
        self.geometry = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}

    def push(self, x: Tensor, M: Tensor) -> Tensor:
        return F.conv2d(x, M, **self.geometry)

    def pull(self, x: Tensor, M: Tensor, delta: Tensor) -> Tensor:
        return torch.nn.grad.conv2d_input(x.shape, M, delta, **self.geometry)

    def outer(self, x: Tensor, M: Tensor, delta: Tensor) -> Tensor:
        return torch.nn.grad.conv2d_weight(x, M.shape, delta, **self.geometry)


class Linear(Synapse):
    """y = W x + b."""

    def __init__(self, inputs: int, outputs: int, rules: Rules) -> None:
        super().__init__((outputs, inputs), 1, rules)
        self.bias = torch.nn.Parameter(torch.empty(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + self.bias

    def push(self, x: Tensor, M: Tensor) -> Tensor:
        return F.linear(x, M)

    def pull(self, x: Tensor, M: Tensor, delta: Tensor) -> Tensor:
        return delta @ M

    def outer(self, x: Tensor, M: Tensor, delta: Tensor) -> Tensor:
        return delta.T @ x
