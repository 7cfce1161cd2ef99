"""Hebb's product of directions, over all patches of a batch.

    G[o, c, t] = a Σ_n Σ_i ŷ[n, o, i] · x̂[n, i, c, t]     x[n, i, c, t] = x[n, c, s·i + d·t − p], the patch at i

    ŷ = y/‖y‖, over the units of a group     x̂ = x/‖x‖, over the patch that they see

Both lengths and a are one number a patch, its weight, which may go with either factor. A patch of which either side is
silent teaches nothing. On rows, (N, O) and (N, D), each row is a patch.

    G = rows(y, x, a);  G = patches(y, x, W, g, a)

Where y = W x, G is also W S, S = a Σ x ⊗ x/(‖y‖ ‖x‖) over all patches (D, D): less work where D < 2 O and patches are
many.
"""

from typing import Any

from . import conv
from .arrays import Array, array_module, twins
from .conv import Geometry
from .product import product

SILENT = 1e-30  # ‖x‖·‖y‖ of a patch that teaches nothing


@twins
def rows(y: Array, x: Array, a: float) -> Array:
    """G (O, D)."""
    found: Array = product(y.T, x * weights(_squares(y), _squares(x), a))
    return found


@twins
def patches(y: Array, x: Array, W: Array, g: Geometry, a: float) -> Array:
    """G (O, C/groups, k, k) of y = W x (N, O, Ho, Wo) and x (N, C, H, W)."""
    found: Array = conv.outer(weighted(y, x, W, g, a)[:, None], x[:, None], g)[0]
    return found


def weighted(y: Array, x: Array, W: Array, g: Geometry, a: float) -> Array:
    """y, by its patches' weights."""
    groups = y.reshape(len(y), g.groups, -1, *y.shape[2:])
    w = weights((groups * groups).sum(axis=2), energy(x, W, g), a)
    found: Array = (groups * w[:, :, None]).reshape(y.shape)
    return found


def energy(x: Array, W: Array, g: Geometry) -> Array:
    """‖x‖² of each patch of x (N, C, H, W): (N, groups, Ho, Wo). Padding counts as zeros."""
    squares = (x * x).reshape(len(x), g.groups, W.shape[1], *x.shape[2:]).sum(axis=2)
    window = array_module(x).ones((g.groups, 1, *W.shape[2:]), x.dtype)
    found: Array = conv.push(squares[:, None], window[None], g)[:, 0]
    return found


def weights(yy: Array, xx: Array, a: float) -> Array:
    """a/(‖y‖ ‖x‖) from both squares; 0 where a patch is silent."""
    xp = array_module(xx)
    lengths = xp.sqrt(yy) * xp.sqrt(xx)
    found: Array = (a / xp.where(lengths > SILENT, lengths, xp.inf)).astype(xx.dtype)
    return found


def _squares(a: Array) -> Any:
    return (a * a).sum(axis=1, keepdims=True)
