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
    (rows, K), (inner, columns) = a.shape, b.shape
    if inner != K:
        raise ValueError(f"product: a is {a.shape}, b is {b.shape}: {K} columns for {inner} rows.")
    (a, a_row, a_col), (b, b_row, b_col) = _strided(a), _strided(b)
    tiles = blocks(rows, TILE) * blocks(columns, TILE)
    count, slab = cut(K, ENOUGH // tiles, LEAST)
    parts = empty(a, (count, rows, columns))
    kernels("product").product(
        (tiles, 1, count), 256, parts, a, b, rows, columns, K, a_row, a_col, b_row, b_col, slab
    )
    return reduced("product", parts)


def _strided(x: Array) -> tuple[Array, int, int]:
    """A contiguous array with x's elements, and the strides, in elements, of x's rows and columns in it."""
    if x.T.flags.c_contiguous:
        return x.T, 1, x.shape[0]
    return contiguous(x), x.shape[1], 1
