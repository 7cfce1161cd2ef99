"""The CUDA twin of feedback.py: one launch each, two where rms(W) is needed."""

import math

from ..cuda.arrays import contiguous, empty
from ..cuda.launch import THREADS, blocks, kernels
from .arrays import Array
from .squares_cuda import squares


def signs(W: Array, s: float) -> Array:
    """As feedback.signs."""
    B = empty(W, W.shape)
    kernels("feedback").signs(blocks(W.size), THREADS, B, contiguous(W), s, W.size)
    return B


def random_signs(W: Array, R: Array) -> Array:
    """As feedback.random_signs."""
    if R.shape != W.shape:
        raise ValueError(f"random_signs: W is {W.shape}, R is {R.shape}.")
    B = empty(W, W.shape)
    kernels("feedback").random_signs(blocks(W.size), THREADS, B, contiguous(W), contiguous(R), W.size)
    return B


def quantised(W: Array, s: float, levels: int) -> Array:
    """As feedback.quantised."""
    B, W = empty(W, W.shape), contiguous(W)
    parts = squares("feedback", W)
    bin_width, unit = math.sqrt(3.0) / levels, s / math.sqrt(levels**2 / 3 - 1 / 12)
    grid = blocks(W.size)
    kernels("feedback").quantised(grid, THREADS, B, W, parts, parts.size, bin_width, unit, levels, W.size)
    return B
