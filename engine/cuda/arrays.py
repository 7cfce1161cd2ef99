"""What the CUDA twins need of arrays: contiguous inputs and uninitialised outputs."""

from ..backend import Array, array_module


def contiguous(x: Array) -> Array:
    """x itself, or a C-contiguous copy."""
    own: Array = array_module(x).ascontiguousarray(x)
    return own


def empty(like: Array, shape: tuple[int, ...]) -> Array:
    """A new array of `like`'s type, its content undefined: for kernels that write every element."""
    fresh: Array = array_module(like).empty(shape, like.dtype)
    return fresh
