"""The CUDA twin of mix.py: one launch."""

from ..cuda.arrays import contiguous
from ..cuda.launch import kernels
from .arrays import Array, array_module
from .pairs_cuda import strips


def mix(y: Array, scale: Array, out: Array) -> None:
    """As mix.mix."""
    (N, R, C), P = y.shape[:3], y.shape[3] * y.shape[4]
    if out.shape != (N, C, *y.shape[3:]):
        raise ValueError(f"mix: out is {out.shape}, the lanes of y are {(N, C, *y.shape[3:])}.")
    scale = contiguous(array_module(y).broadcast_to(scale, (R, C)))
    total = contiguous(out)
    kernels("mix").mix(*strips(N * C, P), total, contiguous(y), scale, N * C, R, C, P)
    if total is not out:
        out[...] = total
