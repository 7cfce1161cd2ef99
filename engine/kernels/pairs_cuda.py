"""Sums of every channel and lane in two launches (pairs.cuh): a warp a strip of a plane, then the strips in order."""

from ..cuda.arrays import empty
from ..cuda.launch import THREADS, blocks, kernels
from .arrays import Array, array_module

PLANES = 8  # warps of a block, one a plane
STRIP = 256  # positions of a plane that one warp takes

Grid = tuple[tuple[int, int], tuple[int, int]]


def strips(count: int, positions: int) -> Grid:
    """The grid and block of `count` planes of so many positions, a warp a strip."""
    return (blocks(count, PLANES), blocks(positions, STRIP)), (32, PLANES)


def pair_parts(x: Array, grid: Grid) -> Array:
    """Room for the strips' sums of x (N, R, C, H, W): (N, strips, R, C, 2), float64."""
    N, R, C = x.shape[:3]
    parts: Array = array_module(x).empty((N, grid[0][1], R, C, 2), "f8")
    return parts


def pairs(stem: str, parts: Array, like: Array) -> tuple[Array, Array]:
    """The two sums (R, C), of `like`'s type, by `stem`'s sum_pairs."""
    N, count, R, C, _ = parts.shape
    sums, products = empty(like, (R, C)), empty(like, (R, C))
    kernels(stem).sum_pairs(blocks(R * C), THREADS, sums, products, parts, N * count, R * C)
    return sums, products
