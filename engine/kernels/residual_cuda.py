"""The CUDA twin of residual.py: a launch each, two for gate."""

from ..cuda.arrays import contiguous, empty
from ..cuda.launch import THREADS, blocks, kernels
from .arrays import Array, array_module
from .pairs_cuda import pair_parts, pairs, strips
from .residual import same_shape


def join(x: Array, a: Array, b: Array, s: Array) -> Array:
    """As residual.join."""
    same_shape("join", s, x)
    (N, R, C), P, y = x.shape[:3], x.shape[3] * x.shape[4], empty(x, x.shape)
    a, b = (contiguous(array_module(x).broadcast_to(v, (R, C))) for v in (a, b))
    sizes = (N * R * C, R * C, P)
    kernels("residual").join(*strips(N * R * C, P), y, contiguous(x), a, b, contiguous(s), *sizes)
    return y


def gate(g: Array, y: Array, x: Array, mean: Array) -> tuple[Array, Array, Array]:
    """As residual.gate."""
    same_shape("gate", y, x)
    same_shape("gate", g, x)
    (N, R, C), P = x.shape[:3], x.shape[3] * x.shape[4]
    grid = strips(N * R * C, P)
    gated, parts = empty(g, g.shape), pair_parts(x, grid)
    g, y, x = contiguous(g), contiguous(y), contiguous(x)
    mean = contiguous(array_module(x).broadcast_to(mean, (R, C)))
    kernels("residual").gate(*grid, gated, parts, g, y, x, mean, N * R * C, R * C, P)
    return gated, *pairs("residual", parts, x)


def add(out: Array, g: Array) -> None:
    """As residual.add."""
    same_shape("add", g, out)
    target = contiguous(out)
    kernels("residual").add(blocks(g.size), THREADS, target, contiguous(g), g.size)
    if target is not out:
        out[...] = target
