"""The CUDA twin of philox.py: one launch each; nothing is drawn on the host or copied from it."""

from functools import cache
from typing import Any

from ..cuda.launch import blocks, kernels
from ..cuda.runtime import runtime
from ..random import Key, purpose_word
from .arrays import Array, array_module

THREADS = 256  # of a block, each draws four numbers


def uniform(out: Array, key: Key, low: float = 0.0, high: float = 1.0, clock: Array | None = None) -> Array:
    """As philox.uniform."""
    target, grid, counted = _target(out), blocks(out.size, 4 * THREADS), _counter(out, key, clock)
    kernels("philox").uniform(grid, THREADS, target, out.size, *counted, float(low), float(high))
    return _delivered(target, out)


def normal(out: Array, key: Key, scale: float = 1.0, clock: Array | None = None) -> Array:
    """As philox.normal."""
    target, grid, counted = _target(out), blocks(out.size, 4 * THREADS), _counter(out, key, clock)
    kernels("philox").normal(grid, THREADS, target, out.size, *counted, float(scale))
    return _delivered(target, out)


def mask(out: Array, key: Key, p: float, clock: Array | None = None) -> Array:
    """As philox.mask."""
    target, grid, counted = _target(out), blocks(out.size, 16 * THREADS), _counter(out, key, clock)
    kernels("philox").mask(grid, THREADS, target, out.size, *counted, round(p * 2**16), 1 / (1 - p))
    return _delivered(target, out)


def _counter(out: Array, key: Key, clock: Array | None) -> tuple[Any, ...]:
    """seed, purpose, step, clock and index, as the kernels take them."""
    clock = _zero(array_module(out), runtime().place(out)[1]) if clock is None else clock
    return key.seed, purpose_word(key), key.step, clock, key.index


@cache
def _zero(xp: Any, device: int) -> Array:
    zero: Array = xp.zeros((), "i8")
    return zero


def _target(out: Array) -> Array:
    """`out`, or a contiguous array in its place."""
    target: Array = out if out.flags.c_contiguous else array_module(out).empty(out.shape, out.dtype)
    return target


def _delivered(target: Array, out: Array) -> Array:
    if target is not out:
        out[...] = target
    return out
