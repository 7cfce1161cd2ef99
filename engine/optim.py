"""Optimisers: they descend `grad` = -Δw, whatever rule gave Δw. State is flat, one array as long as the weights."""

import numpy as np

from .backend import Array, array_module
from .kernels import update
from .parameter import norm


def clip_norm(grad: Array, limit: float, part: Array | None = None) -> Array:
    """Scale grad in place so that ‖grad‖ ≤ limit; returns the norm before. limit 0: never clips,
    nor is what is not finite.

    part: a mask of 0 and 1 of grad's shape; only what it marks counts, and is scaled.
    """
    if part is None:
        return update.clip(grad, limit)
    size = norm(grad * part)
    if limit > 0:
        xp = array_module(grad)
        factor = xp.where(xp.isfinite(size), xp.minimum(1.0, limit / (size + 1e-6)), 1.0).astype(grad.dtype)
        grad *= 1 + part * (factor - 1)
    return size


class SGD:
    """Stochastic gradient descent with momentum and weight decay.

    g ← g + wd·w;  m ← μ·m + g;  w ← w - lr·(g + μ·m where Nesterov, else m)   (Sutskever et al. 2013)
    """

    def __init__(
        self, value: Array, momentum: float = 0.9, weight_decay: float = 0.0, nesterov: bool = False
    ) -> None:
        self.value, self.momentum, self.weight_decay, self.nesterov = value, momentum, weight_decay, nesterov
        self.buffer = array_module(value).zeros_like(value)

    def step(self, grad: Array, lr: float | Array) -> None:
        """One update of `value`; grad has the same shape."""
        update.sgd(self.value, self.buffer, grad, lr, self.momentum, self.weight_decay, self.nesterov)

    def state(self) -> dict[str, Array]:
        """What a checkpoint keeps."""
        return {"buffer": self.buffer}


class Adam:
    """Adam (Kingma & Ba 2015) with L2 weight decay added to the gradient, as DARTS uses it for α."""

    def __init__(
        self,
        value: Array,
        betas: tuple[float, float] = (0.9, 0.999),
        weight_decay: float = 0.0,
        epsilon: float = 1e-8,
    ) -> None:
        self.value, self.betas, self.weight_decay, self.epsilon = value, betas, weight_decay, epsilon
        xp = array_module(value)
        self.mean, self.square = xp.zeros_like(value), xp.zeros_like(value)
        self.count = xp.zeros((), np.int64)

    def step(self, grad: Array, lr: float | Array) -> None:
        """One update of `value`; grad has the same shape."""
        self.count += 1
        moments = self.mean, self.square, self.count
        update.adam(self.value, *moments, grad, lr, self.betas, self.weight_decay, self.epsilon)

    def state(self) -> dict[str, Array]:
        return {"mean": self.mean, "square": self.square, "count": self.count}
