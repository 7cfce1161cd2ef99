"""What batch normalisation is made of: sums over images and positions, and affine maps, per channel and lane.

    mean[r, c] = ⟨x⟩    variance[r, c] = ⟨(x − mean)²⟩ (biased)      ⟨·⟩ over n and positions
    affine     a·x + b        combine   a·g + b·x + d        relu_grad   g where y > 0
    grad_sums  Σ g,  Σ g·(x − mean)

    x (N, R, C, H, W), coefficients (R, C); g (N, R or 1, C, H, W).

Sums run in float64, and the variance over differences from the mean: ⟨x²⟩ − ⟨x⟩² loses every digit where the
mean is large beside the deviation.

    mean, variance = moments(x);  scale = gamma / sqrt(variance + eps)
    y = affine(x, scale, beta - mean * scale, relu=True)
"""

from .arrays import Array, array_module, twins


@twins
def moments(x: Array) -> tuple[Array, Array]:
    """The mean and the biased variance of every lane and channel, (R, C) each."""
    mean = _sum(x) / _count(x)
    # the rounding of the mean to x's type is undone by the second term
    centred = x - _wide(mean.astype(x.dtype))
    variance = _sum(centred * centred) / _count(x) - (_sum(centred) / _count(x)) ** 2
    return mean.astype(x.dtype), array_module(x).maximum(variance, 0).astype(x.dtype)


@twins
def affine(x: Array, a: Array, b: Array, relu: bool = False) -> Array:
    """a·x + b, rectified where `relu`."""
    y: Array = _wide(a) * x + _wide(b)
    if relu:
        array_module(x).maximum(y, 0, out=y)
    return y


@twins
def grad_sums(g: Array, x: Array, mean: Array) -> tuple[Array, Array]:
    """Σ g and Σ g·(x − mean), (R, C) each; g may have one lane where x has R."""
    total = array_module(x).broadcast_to(_sum(g), mean.shape)
    return total.astype(x.dtype), _sum(g * (x - _wide(mean))).astype(x.dtype)


@twins
def combine(g: Array, x: Array, a: Array, b: Array, d: Array) -> Array:
    """a·g + b·x + d; g may have one lane where x has R."""
    y: Array = _wide(a) * g + _wide(b) * x + _wide(d)
    return y


@twins
def relu_grad(g: Array, y: Array) -> Array:
    """g where the rectified output y is positive, else 0; any shape."""
    xp = array_module(g)
    out: Array = xp.where(y > 0, g, xp.zeros((), g.dtype))
    return out


def _sum(x: Array) -> Array:
    """Over images and positions, in float64; (R, C)."""
    total: Array = x.sum((0, 3, 4), dtype="float64")
    return total


def _count(x: Array) -> int:
    return int(x.shape[0] * x.shape[3] * x.shape[4])


def _wide(a: Array) -> Array:
    """(R, C) beside (N, R, C, H, W)."""
    return a[:, :, None, None]
