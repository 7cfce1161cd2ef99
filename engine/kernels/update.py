"""Updates of a flat array of weights w by what a rule made of them, g = -Δw.

    clip  g ← g · min(1, c/(‖g‖ + 10⁻⁶))
    sgd   g ← g + λ·w;  m ← μ·m + g;  w ← w - η·(g + μ·m where Nesterov, else m)
    adam  g ← g + λ·w;  m ← m + (1 - β₁)·(g - m);  v ← v + (1 - β₂)·(g² - v);
          w ← w - η/(1 - β₁ᵗ) · m / (√(v/(1 - β₂ᵗ)) + ε)

w, m, v and clip's g change in place. η is a number, or a 0-d array on w's device: a recorded step reads it anew
at every replay, as it does t (Sutskever et al. 2013; Kingma & Ba 2015).

    norm = clip(grad, 5.0);  sgd(value, buffer, grad, lr, 0.9, 3e-4, True)
"""

import numpy as np

from .arrays import Array, array_module, twins


@twins
def clip(grad: Array, limit: float) -> Array:
    """Scales `grad`; returns ‖g‖ before, a 0-d float64 array. limit 0: never clips, nor is what is not finite."""
    xp = array_module(grad)
    size: Array = xp.sqrt(xp.sum(xp.square(grad, dtype=np.float64)))
    if limit > 0:
        factor = xp.where(xp.isfinite(size), xp.minimum(1.0, limit / (size + 1e-6)), 1.0)
        grad *= factor.astype(grad.dtype)
    return size


@twins
def sgd(
    value: Array,
    momentum_buffer: Array,
    grad: Array,
    lr: float | Array,
    momentum: float,
    weight_decay: float,
    nesterov: bool,
) -> None:
    """One step of SGD; momentum_buffer is m."""
    if weight_decay:
        grad = grad + weight_decay * value
    momentum_buffer *= momentum
    momentum_buffer += grad
    value -= lr * (grad + momentum * momentum_buffer if nesterov else momentum_buffer)


@twins
def adam(
    value: Array,
    mean: Array,
    square: Array,
    count: Array,
    grad: Array,
    lr: float | Array,
    betas: tuple[float, float],
    weight_decay: float,
    epsilon: float,
) -> None:
    """Step t = count (0-d int64, counted by the caller) of Adam; mean and square are m and v."""
    xp, (b1, b2) = array_module(grad), betas
    grad = grad + weight_decay * value
    mean += (1 - b1) * (grad - mean)
    square += (1 - b2) * (grad * grad - square)
    corrected = xp.sqrt(square / (1 - b2**count)) + epsilon
    value -= (lr / (1 - b1**count) * mean / corrected).astype(value.dtype)
