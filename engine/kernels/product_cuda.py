"""The CUDA twin of product.py: a tiled product; where K is long beside the result, in slabs."""

from ..cuda.arrays import contiguous, empty
from ..cuda.launch import blocks, kernels
from .arrays import Array
from .slabs_cuda import cut, reduced

TILE = 64  # as in product.cu
LEAST = 256  # terms of a slab
ENOUGH = 512  # blocks that fill any device


def product(a: Array, b: Array) -> Array:
    """As product.product."""
    if a.ndim != b.ndim or a.ndim not in (2, 3) or a.shape[:-2] != b.shape[:-2] or a.shape[-1] != b.shape[-2]:
        raise ValueError(
            f"product: a is {a.shape}, b is {b.shape}; expected (I, K) and (K, J), or G of each."
        )
    (rows, K), columns, pairs = a.shape[-2:], b.shape[-1], a.shape[0] if a.ndim == 3 else 1
    (a, a_row, a_col), (b, b_row, b_col) = _strided(a), _strided(b)
    tiles = blocks(rows, TILE) * blocks(columns, TILE)
    count, slab = cut(K, ENOUGH // (tiles * pairs), LEAST)
    parts = empty(a, (count, *a.shape[:-2], rows, columns))
    sizes = (rows, columns, K, a_row, a_col, b_row, b_col, slab)
    kernels("product").product((tiles, pairs, count), 256, parts, a, b, *sizes)
    return reduced("product", parts)


def _strided(x: Array) -> tuple[Array, int, int]:
    """A contiguous array with x's elements, and the strides, in elements, of x's rows and columns in it."""
    turned = x.swapaxes(-1, -2)
    if turned.flags.c_contiguous:
        return turned, 1, x.shape[-2]
    return contiguous(x), x.shape[-1], 1
