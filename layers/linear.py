"""The fully connected layer."""

from collections.abc import Sequence

from ..engine.backend import Array, array_module
from ..engine.errors import UsageError
from ..engine.kernels import association
from ..engine.kernels.product import product
from ..engine.maps import UnitMaps
from ..engine.parameter import Parameter, constant
from ..engine.rule import Rule
from ..engine.step import Step
from .synapse import Synapse


class LinearMaps(UnitMaps):
    """The linear maps of y = W x on x (N, D), W (O, D); with one lane axis, (N, 1, D) and (1, O, D), as well."""

    groups, apart = 1, True

    def push(self, x: Array, M: Array) -> Array:
        """M x: (N, O)."""
        if M.ndim == 3:  # one product of matrices: a broadcast one would run sample by sample
            return self.push(x[:, 0], M[0])[:, None]
        return product(x, M.T)

    def pull(self, delta: Array, M: Array) -> Array:
        """Mᵀ δ: (N, D)."""
        if M.ndim == 3:
            return self.pull(delta[:, 0], M[0])[:, None]
        return product(delta, M)

    def outer(self, post: Array, pre: Array) -> Array:
        """post ⊗ pre summed over samples: (O, D)."""
        if post.ndim == 3:
            return self.outer(post[:, 0], pre[:, 0])[None]
        return product(post.T, pre)

    def associate(self, y: Array, x: Array, W: Array, a: float) -> Array:
        """a Σ ŷ ⊗ x̂: (O, D)."""
        return association.rows(y, x, a)

    def energy(self, x: Array, W: Array) -> Array:
        """‖x‖²: (N, O)."""
        squares = (x * x).sum(axis=1, keepdims=True)
        spread: Array = array_module(x).broadcast_to(squares, (len(x), len(W)))
        return spread


class Linear(Synapse):
    """y = W x + b, x (N, D), W (O, D), b (O,) from 0.

    The bias learns by Δb = -Σ δ where W's update is Δw = -δ ⊗ x; a rule with an update of its own leaves it alone.
    """

    def __init__(self, inputs: int, outputs: int, rules: Sequence[Rule], bias: bool = True) -> None:
        if len(rules) != 1:
            raise UsageError(f"linear: {len(rules)} rules, expected one: only convolutions have lanes.")
        super().__init__((outputs, inputs), rules)
        self.inputs = inputs
        self.b = Parameter((outputs,), constant(0.0)) if bias else None

    def maps(self, x: Array) -> LinearMaps:
        if x.shape[-1] != self.inputs:
            raise UsageError(f'linear "{self.name}": the input is {x.shape}, expected (N, {self.inputs}).')
        return LinearMaps()

    @property
    def bias(self) -> Array | None:
        return None if self.b is None else self.b.value

    def forward(self, x: Array, step: Step) -> Array:
        y = super().forward(x[:, None], step)[:, 0]
        y = y if self.b is None else y + self.b.value
        if self.b is not None and self.constrained and step.forward_only and step.learn:
            self._balance(self.b, y)
        return y

    def backward(self, delta: Array, step: Step) -> Array:
        if self.b is not None and step.learn and (step.exact or self.rule.some_descend):
            self.b.grad += delta.sum(axis=0)
        if self.b is not None and step.learn and not step.exact and self.constrained:
            x, *_ = step.tape[self]
            self._balance(self.b, self.maps(x).push(x[:, 0], self.W.value) + self.b.value)
        return super().backward(delta[:, None], step)[:, 0]

    def _balance(self, b: Parameter, y: Array) -> None:
        """What homeostasis makes of the bias."""
        for constraint in self.rules[0].constraints:
            change = constraint.bias_update(y)
            if change is not None:
                b.grad -= change

    def tangent(self, t: Array, step: Step) -> Array:
        out = super().tangent(t[:, None], step)[:, 0]
        return out if self.b is None else out + self.rule.some_descend * step.direction[self.b]
