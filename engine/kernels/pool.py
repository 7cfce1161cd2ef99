"""Pooling over k × k windows; x (..., H, W) with any leading axes, y (..., Ho, Wo), no ceil mode.

    max_pool        y[i] = max_t x[s·i + t − p],   where[i] = the first t that attains it (uint8, row by row)
    max_pool_pull   δx[s·i + where[i] − p] += δ[i]
    max_pool_push   ẏ[i] = ẋ[s·i + where[i] − p]         the Jacobian-vector product at the same maxima
    avg_pool        y[i] = Σ_t x[s·i + t − p] / m[i],    m[i] = how many taps lie in the image

The padding never wins a maximum and never counts in m. NaN wins every maximum: divergence stays visible.

    y, where = max_pool(x, 3, 2, 1);  dx = max_pool_pull(delta, where, 3, 2, 1, x.shape[-2:])
"""

from typing import Any, NamedTuple

from .arrays import Array, Size, array_module, twins
from .conv import Geometry, taps

Window = tuple[int, int, int]  # k, stride, padding


class Pull(NamedTuple):
    """A pool's way back, to inputs of `size`; where: the taps of its maxima, None of one that averages."""

    window: Window
    size: Size
    where: Array | None = None


def pull(delta: Array, how: Pull) -> Array:
    """δx of either pool."""
    if how.where is None:
        return avg_pool_pull(delta, *how.window, how.size)
    return max_pool_pull(delta, how.where, *how.window, how.size)


@twins
def max_pool(x: Array, k: int, stride: int, padding: int) -> tuple[Array, Array]:
    """The maxima and their taps (uint8, hence k ≤ 16)."""
    xp, g = array_module(x), Geometry(k, stride, padding)
    views = list(taps(_pad(x, padding, -xp.inf), g, _out(g, x)))
    y, where = xp.full(views[0].shape, -xp.inf, x.dtype), _first_tap(xp, g, x)
    where = xp.broadcast_to(where, y.shape).copy()
    for t, tap in enumerate(views):
        wins = (tap > y) | xp.isnan(tap)
        y, where = xp.where(wins, tap, y), xp.where(wins, xp.uint8(t), where)
    return y, where


@twins
def max_pool_pull(delta: Array, where: Array, k: int, stride: int, padding: int, size: Size) -> Array:
    """δx of inputs of `size`: each δ goes to the input that was the maximum."""
    xp, g = array_module(delta), Geometry(k, stride, padding)
    padded = _zeros(delta, padding, size)
    for t, tap in enumerate(taps(padded, g, delta.shape[-2:])):
        tap += xp.where(where == t, delta, xp.zeros((), delta.dtype))
    return _crop(padded, padding, size)


@twins
def max_pool_push(tangent_x: Array, where: Array, k: int, stride: int, padding: int) -> Array:
    """The tangent of y: each output takes the tangent of the input that was its maximum."""
    xp, g = array_module(tangent_x), Geometry(k, stride, padding)
    tangent_y: Array = xp.zeros(where.shape, tangent_x.dtype)
    for t, tap in enumerate(taps(_pad(tangent_x, padding, 0), g, where.shape[-2:])):
        tangent_y = xp.where(where == t, tap, tangent_y)
    return tangent_y


@twins
def avg_pool(x: Array, k: int, stride: int, padding: int) -> Array:
    """The mean of the inputs under each window."""
    g = Geometry(k, stride, padding)
    total: Array = sum(taps(_pad(x, padding, 0), g, _out(g, x)), start=array_module(x).zeros((), x.dtype))
    mean: Array = total * _weights(g, x, x.shape[-2:])
    return mean


@twins
def avg_pool_pull(delta: Array, k: int, stride: int, padding: int, size: Size) -> Array:
    """δx of inputs of `size`: each δ spread evenly over its window."""
    g = Geometry(k, stride, padding)
    padded, share = _zeros(delta, padding, size), delta * _weights(g, delta, size)
    for tap in taps(padded, g, delta.shape[-2:]):
        tap += share
    return _crop(padded, padding, size)


def _out(g: Geometry, x: Array) -> Size:
    return g.out_size(x.shape[-2]), g.out_size(x.shape[-1])


def _pad(x: Array, p: int, value: float) -> Array:
    padded: Array = array_module(x).pad(x, ((0, 0),) * (x.ndim - 2) + ((p, p),) * 2, constant_values=value)
    return padded


def _zeros(delta: Array, p: int, size: Size) -> Array:
    """The padded image of zeros that δ is scattered into."""
    shape = (*delta.shape[:-2], size[0] + 2 * p, size[1] + 2 * p)
    padded: Array = array_module(delta).zeros(shape, delta.dtype)
    return padded


def _crop(padded: Array, p: int, size: Size) -> Array:
    image: Array = array_module(padded).ascontiguousarray(padded[..., p : p + size[0], p : p + size[1]])
    return image


def _first_tap(xp: Any, g: Geometry, x: Array) -> Array:
    """(Ho, Wo): the first tap inside the image, the winner where every input is −∞."""
    rows, cols = (xp.maximum(g.padding - g.stride * xp.arange(n), 0) for n in _out(g, x))
    first: Array = (rows[:, None] * g.kernel + cols).astype(xp.uint8)
    return first


def _weights(g: Geometry, x: Array, size: Size) -> Array:
    """1 / m, (Ho, Wo)."""
    xp = array_module(x)
    inside = [xp.clip(g.padding + n - g.stride * xp.arange(g.out_size(n)), None, g.kernel) for n in size]
    missed = [xp.maximum(g.padding - g.stride * xp.arange(g.out_size(n)), 0) for n in size]
    rows, cols = (i - m for i, m in zip(inside, missed, strict=True))
    weights: Array = (1.0 / (rows[:, None] * cols)).astype(x.dtype)
    return weights
