"""The CUDA twin of pool.py: one launch each, a warp a plane."""

from ..cuda.arrays import contiguous, empty
from ..cuda.launch import kernels
from .arrays import Array, Shape, Size, array_module
from .conv import Geometry
from .pairs_cuda import Grid, strips


def max_pool(x: Array, k: int, stride: int, padding: int) -> tuple[Array, Array]:
    """As pool.max_pool."""
    y = empty(x, _outputs(x.shape, k, stride, padding))
    where = array_module(x).empty(y.shape, "u1")
    s = _sizes(x.shape[-2:], y, k, stride, padding)
    kernels("pool").max_pool(*_grid(y), y, where, contiguous(x), *s)
    return y, where


def max_pool_pull(delta: Array, where: Array, k: int, stride: int, padding: int, size: Size) -> Array:
    """As pool.max_pool_pull."""
    dx = empty(delta, (*delta.shape[:-2], *size))
    _check(_outputs(dx.shape, k, stride, padding), delta.shape, where.shape)
    s = _sizes(size, delta, k, stride, padding)
    kernels("pool").max_pool_pull(*_grid(dx), dx, contiguous(delta), contiguous(where), *s)
    return dx


def max_pool_push(tangent_x: Array, where: Array, k: int, stride: int, padding: int) -> Array:
    """As pool.max_pool_push."""
    tangent_y = empty(tangent_x, where.shape)
    _check(_outputs(tangent_x.shape, k, stride, padding), where.shape)
    s = _sizes(tangent_x.shape[-2:], where, k, stride, padding)
    kernels("pool").max_pool_push(*_grid(tangent_y), tangent_y, contiguous(tangent_x), contiguous(where), *s)
    return tangent_y


def avg_pool(x: Array, k: int, stride: int, padding: int) -> Array:
    """As pool.avg_pool."""
    y = empty(x, _outputs(x.shape, k, stride, padding))
    s = _sizes(x.shape[-2:], y, k, stride, padding)
    kernels("pool").avg_pool(*_grid(y), y, contiguous(x), *s)
    return y


def avg_pool_pull(delta: Array, k: int, stride: int, padding: int, size: Size) -> Array:
    """As pool.avg_pool_pull."""
    dx = empty(delta, (*delta.shape[:-2], *size))
    _check(_outputs(dx.shape, k, stride, padding), delta.shape)
    s = _sizes(size, delta, k, stride, padding)
    kernels("pool").avg_pool_pull(*_grid(dx), dx, contiguous(delta), *s)
    return dx


def _outputs(x: Shape, k: int, stride: int, padding: int) -> Shape:
    g = Geometry(k, stride, padding)
    return (*x[:-2], g.out_size(x[-2]), g.out_size(x[-1]))


def _check(expected: Shape, *given: Shape) -> None:
    if any(shape != expected for shape in given):
        raise ValueError(f"the pool has outputs {expected}; given are {given}.")


def _sizes(size: Size, y: Array, k: int, stride: int, padding: int) -> tuple[int, ...]:
    """What every kernel takes after its arrays; y has the outputs' shape."""
    planes = y.size // (y.shape[-2] * y.shape[-1])
    return (planes, *size, *y.shape[-2:], k, stride, padding)


def _grid(result: Array) -> Grid:
    """The grid and block of a warp a strip of `result`'s planes."""
    size = result.shape[-2] * result.shape[-1]
    return strips(result.size // size, size)
