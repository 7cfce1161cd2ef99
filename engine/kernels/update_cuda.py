"""The CUDA twin of update.py: a launch each, two for clip."""

from ..cuda.launch import THREADS, blocks, kernels
from ..cuda.runtime import runtime
from .arrays import Array, array_module
from .squares_cuda import squares


def clip(grad: Array, limit: float) -> Array:
    """As update.clip."""
    parts, norm = squares("update", grad), array_module(grad).empty((), "f8")
    kernels("update").clip(blocks(grad.size), THREADS, grad, norm, parts, parts.size, limit, grad.size)
    found: Array = norm
    return found


def sgd(
    value: Array,
    momentum_buffer: Array,
    grad: Array,
    lr: float | Array,
    momentum: float,
    weight_decay: float,
    nesterov: bool,
) -> None:
    """As update.sgd."""
    _same(value, momentum_buffer, grad)
    kernels("update").sgd(
        blocks(value.size),
        THREADS,
        value,
        momentum_buffer,
        grad,
        _rate(lr, value),
        momentum,
        weight_decay,
        nesterov,
        value.size,
    )


def adam(
    value: Array,
    mean: Array,
    square: Array,
    count: Array,
    grad: Array,
    lr: float | Array,
    betas: tuple[float, float],
    weight_decay: float,
    epsilon: float,
) -> None:
    """As update.adam."""
    _same(value, mean, square, grad)
    arrays = (value, mean, square, grad, _rate(lr, value), count)
    kernels("update").adam(blocks(value.size), THREADS, *arrays, *betas, weight_decay, epsilon, value.size)


def _rate(lr: float | Array, value: Array) -> Array:
    """η on the device: as it is, or a number written there."""
    if isinstance(lr, runtime().arrays):
        given: Array = lr
        return given
    written: Array = array_module(value).full((), lr, value.dtype)
    return written


def _same(value: Array, *others: Array) -> None:
    for other in others:
        if other.shape != value.shape:
            raise ValueError(f"update: the weights are {value.shape}, got {other.shape} beside them.")
