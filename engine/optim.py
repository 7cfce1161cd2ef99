"""Optimisers: they descend `grad` = -Δw, whatever rule gave Δw. State is flat, one array as long as the weights."""

from .backend import Array, array_module
from .parameter import norm


def clip_norm(grad: Array, limit: float, part: Array | None = None) -> Array:
    """Scale grad in place so that ‖grad‖ ≤ limit; returns the norm before. limit 0: never clips,
    nor is what is not finite.

    part: a mask of 0 and 1 of grad's shape; only what it marks counts, and is scaled.
    """
    size = norm(grad if part is None else grad * part)
    if limit > 0:
        xp = array_module(grad)
        factor = xp.where(xp.isfinite(size), xp.minimum(1.0, limit / (size + 1e-6)), 1.0).astype(grad.dtype)
        grad *= factor if part is None else 1 + part * (factor - 1)
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

    def step(self, grad: Array, lr: float) -> None:
        """One update of `value`. grad: the same shape; it is used up (its content changes)."""
        if self.weight_decay:
            grad += self.weight_decay * self.value
        self.buffer *= self.momentum
        self.buffer += grad
        if self.nesterov:
            grad += self.momentum * self.buffer
            self.value -= lr * grad
        else:
            self.value -= lr * self.buffer

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
        self.mean, self.square, self.count = xp.zeros_like(value), xp.zeros_like(value), xp.zeros(())

    def step(self, grad: Array, lr: float) -> None:
        """One update of `value`; grad has the same shape."""
        xp = array_module(grad)
        grad = grad + self.weight_decay * self.value
        b1, b2 = self.betas
        self.count += 1
        self.mean += (1 - b1) * (grad - self.mean)
        self.square += (1 - b2) * (grad * grad - self.square)
        corrected = xp.sqrt(self.square / (1 - b2**self.count)) + self.epsilon
        self.value -= (lr / (1 - b1**self.count) * self.mean / corrected).astype(self.value.dtype)

    def state(self) -> dict[str, Array]:
        return {"mean": self.mean, "square": self.square, "count": self.count}
