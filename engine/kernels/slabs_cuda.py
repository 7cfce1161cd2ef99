"""Long sums in two launches: slabs whose borders depend on sizes alone, then the slabs in order."""

from ..cuda.arrays import empty
from ..cuda.launch import THREADS, blocks, kernels
from .arrays import Array


def cut(count: int, slabs: int, least: int = 1) -> tuple[int, int]:
    """(number of slabs, items of a slab): about `slabs` of them over `count` items, at least `least` items each."""
    slab = max(least, blocks(count, max(1, slabs)))
    return blocks(count, slab), slab


def reduced(stem: str, parts: Array) -> Array:
    """parts (slabs, ...) added up by `stem`'s sum_slabs (slabs.cuh); one slab is the sum itself."""
    if len(parts) == 1:
        only: Array = parts[0]
        return only
    total = empty(parts, parts.shape[1:])
    kernels(stem).sum_slabs(blocks(total.size), THREADS, total, parts, total.size, len(parts))
    return total
