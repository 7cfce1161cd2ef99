"""Competition between the units of a group, u (N, G, U, P) along axis 2, and the scale of a step."""

from ..backend import Array, array_module
from .local import nonzero


def softmax(u: Array) -> Array:
    """exp(u) / Σ exp(u) over the units."""
    exp = array_module(u).exp(u - u.max(axis=2, keepdims=True))
    shares: Array = exp / exp.sum(axis=2, keepdims=True)
    return shares


def strongest(u: Array, count: int) -> list[Array]:
    """The units in the order of their strength at each patch, as masks: the winner, the second, ...

    The first of equals is the stronger. There are no more masks than units.
    """
    xp, masks = array_module(u), []
    place = xp.arange(u.shape[2]).reshape(1, 1, -1, 1)
    for _ in range(min(count, u.shape[2])):
        masks.append(u.argmax(axis=2)[:, :, None] == place)
        u = xp.where(masks[-1], -xp.inf, u)
    return masks


def over_largest(dW: Array) -> Array:
    """ΔW / max abs(ΔW): the largest change of the layer is 1."""
    scaled: Array = dW / nonzero(abs(dW).max())
    return scaled
