"""The CUDA twin of channel.py: one launch each, two where something is summed."""

import math

from ..cuda.arrays import contiguous, empty
from ..cuda.launch import THREADS, blocks, kernels, whole_warps
from .arrays import Array, array_module
from .pairs_cuda import PLANES, pair_parts, pairs, strips


def moments(x: Array) -> tuple[Array, Array]:
    """As channel.moments."""
    N, planes, positions = _sizes(x)
    mean, variance = empty(x, x.shape[1:3]), empty(x, x.shape[1:3])
    parts: Array = array_module(x).empty((N, *x.shape[1:3], 2), "f8")
    grid = blocks(N * planes, PLANES)
    kernels("channel").moment_parts(grid, (32, PLANES), parts, contiguous(x), N * planes, positions)
    kernels("channel").moments(planes, whole_warps(N), mean, variance, parts, N, planes, positions)
    return mean, variance


def affine(x: Array, a: Array, b: Array, relu: bool = False) -> Array:
    """As channel.affine."""
    N, planes, positions = _sizes(x)
    y, low, grid = empty(x, x.shape), 0.0 if relu else -math.inf, strips(N * planes, positions)
    a, b = (_coefficients(v, x) for v in (a, b))
    kernels("channel").affine(*grid, y, contiguous(x), a, b, low, N * planes, planes, positions)
    return y


def grad_sums(g: Array, x: Array, mean: Array) -> tuple[Array, Array]:
    """As channel.grad_sums."""
    N, planes, positions = _sizes(x)
    grid, g, mean = strips(N * planes, positions), _lanes(g, x), _coefficients(mean, x)
    parts, shared = pair_parts(x, grid), g.shape[1] * g.shape[2]
    sizes = (N * planes, planes, shared, positions)
    kernels("channel").grad_sums(*grid, parts, g, contiguous(x), mean, *sizes)
    return pairs("channel", parts, x)


def combine(g: Array, x: Array, a: Array, b: Array, d: Array) -> Array:
    """As channel.combine."""
    N, planes, positions = _sizes(x)
    y, g, shared = empty(x, x.shape), _lanes(g, x), g.shape[1] * g.shape[2]
    a, b, d = (_coefficients(v, x) for v in (a, b, d))
    grid, sizes = strips(N * planes, positions), (N * planes, planes, shared, positions)
    kernels("channel").combine(*grid, y, g, contiguous(x), a, b, d, *sizes)
    return y


def relu_grad(g: Array, y: Array) -> Array:
    """As channel.relu_grad."""
    if g.shape != y.shape:
        raise ValueError(f"relu_grad: g is {g.shape}, y is {y.shape}.")
    out = empty(g, g.shape)
    kernels("channel").relu_grad(blocks(g.size), THREADS, out, contiguous(g), contiguous(y), g.size)
    return out


def _sizes(x: Array) -> tuple[int, int, int]:
    """N, R·C, H·W of (N, R, C, H, W)."""
    N, R, C, H, W = x.shape
    return N, R * C, H * W


def _coefficients(a: Array, x: Array) -> Array:
    """(R, C), one for each lane and channel of x."""
    return contiguous(array_module(x).broadcast_to(a, x.shape[1:3]))


def _lanes(g: Array, x: Array) -> Array:
    """g, contiguous, with x's lanes or one that they share."""
    if g.shape not in (x.shape, (x.shape[0], 1, *x.shape[2:])):
        raise ValueError(f"g is {g.shape}, x is {x.shape}: g takes the lanes of x, or one.")
    return contiguous(g)
