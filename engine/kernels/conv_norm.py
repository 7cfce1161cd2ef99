"""A dense convolution between two batch norms: (normalise, rectify,) convolve, moments; and its backward.

    forward     z = max(a·x + b, 0)  (z = x without a norm)     y = M z     mean, variance of y
    backward    δ  = A·g + B·y + E                what the norm above makes of the error g
                dM = δ ⊗ z                        δz = Mbᵀ δ
                error = δz where z > 0, with S0 = Σ error, S1 = Σ error·(x − mean)      (with a norm)
                into += δz, or the error                                               (where it is given)

Mb are the feedback weights, whatever the rule made of M (Mb = M: back-propagation). z is not kept from forward to
backward: making it again costs less than its memory. (Symbols as in half.py.)

    x (N, R, C, H, W)     M, Mb (R, O, C/groups, k, k)     y, g (N, R, O, Ho, Wo)
    a, b, mean (R, C)     A, B, E (R, O)

    y, mean, variance = forward(x, M, g, norm)
    dM, error, S0, S1 = backward(Upstream(error, y, A, B, E), x, Mb, g, norm)
"""

from typing import Any, NamedTuple

from . import channel, conv, residual
from .arrays import Array, twins
from .conv import Geometry
from .half import Norm, Upstream


class Below(NamedTuple):
    """Arrays or None: the gradient of M where it learns; the error below, unless it was added to `into`; with a norm
    its sums (R, C)."""

    dM: Any
    error: Any
    S0: Any
    S1: Any


@twins
def forward(x: Array, M: Array, g: Geometry, norm: Norm | None = None) -> tuple[Array, Array, Array]:
    """y, and its mean and biased variance, (R, O) each."""
    return plain_forward(x, M, g, norm)


@twins
def backward(
    up: Upstream,
    x: Array,
    Mb: Array,
    g: Geometry,
    norm: Norm | None = None,
    into: Array | None = None,
    learn: bool = True,
) -> Below:
    """The gradient of M (None unless `learn`), and the error below."""
    return plain_backward(up, x, Mb, g, norm, into, learn)


def plain_forward(x: Array, M: Array, g: Geometry, norm: Norm | None) -> tuple[Array, Array, Array]:
    """The reference, operation by operation."""
    y = conv.push(_rectified(x, norm), M, g)
    return y, *channel.moments(y)


def plain_backward(
    up: Upstream, x: Array, Mb: Array, g: Geometry, norm: Norm | None, into: Array | None, learn: bool
) -> Below:
    """The reference, operation by operation."""
    z, delta = _rectified(x, norm), channel.combine(*up)
    dM = conv.outer(delta, z, g) if learn else None
    error, S0, S1 = conv.pull(delta, Mb, g, (x.shape[3], x.shape[4])), None, None
    if norm is not None:
        error, S0, S1 = residual.gate(error, z, x, norm.mean)
    if into is not None:
        residual.add(into, error)
    return Below(dM, error if into is None else None, S0, S1)


def _rectified(x: Array, norm: Norm | None) -> Array:
    return x if norm is None else channel.affine(x, norm.a, norm.b, relu=True)
