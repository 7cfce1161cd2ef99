"""The CPU twin of conv.py: depthwise convolutions, wide ones, 3 x 3 ones that go by fewer products, and all others."""

from types import ModuleType

from . import dense_cpu, depthwise_cpu, unfolded_cpu, winograd_cpu
from .arrays import Array, Shape, Size, own
from .conv import Geometry, check


def push(x: Array, M: Array, g: Geometry) -> Array:
    """As conv.push."""
    check(x.shape, M.shape, None, g)
    found: Array = way(g, x.shape[3:], M.shape, len(x)).push(own(x), own(M), g)
    return found


def pull(delta: Array, M: Array, g: Geometry, size: Size, shared: bool = False) -> Array:
    """As conv.pull."""
    lanes = 1 if shared else len(M)
    check((len(delta), lanes, M.shape[2] * g.groups, *size), M.shape, delta.shape, g)
    found: Array = way(g, size, M.shape).pull(own(delta), own(M), g, size, shared)
    return found


def outer(delta: Array, x: Array, g: Geometry) -> Array:
    """As conv.outer."""
    shape = (*delta.shape[1:3], x.shape[2] // g.groups, g.kernel, g.kernel)
    check(x.shape, shape, delta.shape, g)
    found: Array = way(g, x.shape[3:], shape, len(x)).outer(own(delta), own(x), g)
    return found


def way(g: Geometry, size: Size, M: Shape, images: int = 0) -> ModuleType:
    """The module that serves this geometry, M (R, O, C/groups, k, k), and so many images of this size (0: unfolding
    them is no way)."""
    if M[2] == 1:
        return depthwise_cpu
    if images and unfolded_cpu.suits(M, g, images, size):
        return unfolded_cpu
    return winograd_cpu if winograd_cpu.serves(g, size, M[2], M[1] // g.groups) else dense_cpu
