"""The CPU twin of update.py: the reference itself, in the same bits, on blocks whose intermediates stay in the cache,
over threads. The norm that clips is likeness_cpu.py's.
"""

from collections.abc import Callable
from inspect import unwrap

import numpy as np

from . import update
from .arrays import Array
from .likeness_cpu import norm
from .threads import chunks, run

BLOCK = 1 << 16  # weights: what is made of them on the way stays in the cache
COST = 10.0  # operations a weight, about


def clip(grad: Array, limit: float) -> Array:
    """As update.clip."""
    size = norm(grad)
    if limit > 0 and np.isfinite(size) and limit < size + 1e-6:
        factor = grad.dtype.type(limit / (size + 1e-6))
        _over(lambda g: np.multiply(g, factor, out=g), grad)
    return size


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
    plain = unwrap(update.sgd)
    _over(lambda w, m, g: plain(w, m, g, lr, momentum, weight_decay, nesterov), value, momentum_buffer, grad)


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
    plain = unwrap(update.adam)
    _over(
        lambda w, m, v, g: plain(w, m, v, count, g, lr, betas, weight_decay, epsilon),
        *(value, mean, square, grad),
    )


def _over(work: Callable[..., object], *arrays: Array) -> None:
    """work(block of each array) for every block of flat arrays of one size."""

    def chunk(first: int, last: int, _: int) -> None:
        for i in range(first, last, BLOCK):
            work(*(array[i : min(i + BLOCK, last)] for array in arrays))

    run(chunk, chunks(arrays[0].size, COST, BLOCK))
