"""A half of a separable or dilated convolution, in one pass: (normalise, rectify,) depthwise, pointwise, moments.

    forward     z = max(a·x + b, 0)  (z = x without a norm)     h = D z     y = P h     mean, variance of y
    backward    δ  = A·g + B·y + E                what the norm above (and the mixture) makes of the error g
                dP = δ ⊗ h                        δh = Pbᵀ δ
                dD = δh ⊗ z                       δz = Dbᵀ δh
                below = δz where a·x + b > 0, with S0 = Σ below, S1 = Σ below·(x − mean)     (with a norm)
                into += δz, summed over the lanes that share x                             (without one)

Db and Pb are the feedback weights, whatever the rules made of D and P (Db = D, Pb = P: back-propagation).
h and z are not kept from forward to backward: making them again costs less than their memory.

    x (N, L, C, H, W) with L = R, or L = 1 where all lanes share the input (then without a norm)
    D, Db (R, C, 1, k, k)     P, Pb (R, O, C, 1, 1)     y (N, R, O, Ho, Wo)     g (N, R or 1, O, Ho, Wo)
    a, b, mean (R, C)     A, B, E (R, O)

    y, mean, variance = forward(x, None, D, P, g)
    dD, dP, *_ = backward((error, y, A, B, E), x, None, D, Db, Pb, g, into=dx)
"""

from typing import Any, NamedTuple

from . import channel, conv
from .arrays import Array, twins
from .conv import Geometry

POINT = Geometry(1)


class Norm(NamedTuple):
    """z = max(a·x + b, 0); mean is that of x. All (R, C)."""

    a: Array
    b: Array
    mean: Array


class Upstream(NamedTuple):
    """The error δ = A·g + B·y + E, in its parts."""

    g: Array
    y: Array
    A: Array
    B: Array
    E: Array


class Below(NamedTuple):
    """Arrays or None: the gradients of D and P where it learns; with a norm the error at its output, and its sums."""

    dD: Any
    dP: Any
    error: Any
    S0: Any
    S1: Any


@twins
def forward(
    x: Array, D: Array, P: Array, g: Geometry, norm: Norm | None = None
) -> tuple[Array, Array, Array]:
    """y, and its mean and biased variance, (R, O) each."""
    y = conv.push(conv.push(_rectified(x, norm), D, g), P, POINT)
    return y, *channel.moments(y)


@twins
def backward(
    up: Upstream,
    x: Array,
    D: Array,
    Db: Array,
    Pb: Array,
    g: Geometry,
    norm: Norm | None = None,
    into: Array | None = None,
    learn: bool = True,
) -> Below:
    """The gradients of D and P (None unless `learn`), and the error below: added to `into`, or given with a norm."""
    z, size = _rectified(x, norm), x.shape[-2:]
    delta = channel.combine(*up)
    dP = conv.outer(delta, conv.push(z, D, g), POINT) if learn else None
    delta = conv.pull(delta, Pb, POINT, (g.out_size(size[0]), g.out_size(size[1])))
    dD = conv.outer(delta, z, g) if learn else None
    error = conv.pull(delta, Db, g, size, shared=x.shape[1] < len(D))
    if norm is None:
        if into is not None:
            into += error
        return Below(dD, dP, None, None, None)
    error = channel.relu_grad(error, z)
    return Below(dD, dP, error, *channel.grad_sums(error, x, norm.mean))


def _rectified(x: Array, norm: Norm | None) -> Array:
    return x if norm is None else channel.affine(x, norm.a, norm.b, relu=True)
