"""Competition between the units of a group, u (N, G, U, P) along axis 2, and the scale of a step."""

from ..backend import Array, array_module
from .local import nonzero


def softmax(u: Array) -> Array:
    """exp(u) / Σ exp(u) over the units."""
    exp = array_module(u).exp(u - u.max(axis=2, keepdims=True))
    shares: Array = exp / exp.sum(axis=2, keepdims=True)
    return shares


def ranks(u: Array) -> Array:
    """0 for the strongest unit of each patch, 1 for the next, ...; the first of equals is the stronger."""
    xp = array_module(u)
    order = xp.argsort(-u, axis=2, kind="stable")
    rank: Array = xp.argsort(order, axis=2, kind="stable")
    return rank


def over_largest(dW: Array) -> Array:
    """ΔW / max abs(ΔW): the largest change of the layer is 1."""
    scaled: Array = dW / nonzero(abs(dW).max())
    return scaled
