"""Element by element: sums, rectified maps, channels side by side. NumPy does it on one thread, the CPU twin on all.

    plus   a + b        rectify   max(x, 0)        join   channels of several maps        split   its inverse
    take   a -= b

a, b, x: of any shape, images first (take: any axis first); join and split: (N, R, C, H, W).
"""

from collections.abc import Sequence

from .arrays import Array, array_module, twins


@twins
def plus(a: Array, b: Array) -> Array:
    """a + b, of one shape."""
    total: Array = a + b
    return total


@twins
def take(a: Array, b: Array) -> None:
    """a -= b in place, of one shape."""
    a -= b


@twins
def rectify(x: Array) -> Array:
    """max(x, 0)."""
    y: Array = array_module(x).maximum(x, 0)
    return y


def join(parts: Sequence[Array]) -> Array:
    """(N, R, ΣC, H, W)."""
    return _join(*parts)


@twins
def _join(*parts: Array) -> Array:
    y: Array = array_module(parts[0]).concatenate(parts, axis=2)
    return y


@twins
def split(x: Array, count: int) -> list[Array]:
    """`count` new arrays (N, R, C/count, H, W)."""
    xp = array_module(x)
    return [part.copy() for part in xp.split(x, count, axis=2)]
