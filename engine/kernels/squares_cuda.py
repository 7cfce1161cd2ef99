"""The first of two launches that need a sum of squares: its parts (squares.cuh)."""

from ..cuda.launch import THREADS, blocks, kernels
from .arrays import Array, array_module

MOST_PARTS = 512  # blocks, whatever the device, so that the sum has one order


def squares(stem: str, x: Array) -> Array:
    """Parts of Σ x², float64, which sum_parts adds up in `stem`'s next launch. x: contiguous."""
    count = min(blocks(x.size, 4 * THREADS), MOST_PARTS)
    parts: Array = array_module(x).empty((count,), "f8")
    kernels(stem).sum_squares(count, THREADS, parts, x, x.size)
    return parts
