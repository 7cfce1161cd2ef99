"""The CPU twin of conv.py: depthwise convolutions, 3 x 3 ones that go by fewer products, and all others."""

from types import ModuleType

from . import dense_cpu, depthwise_cpu, winograd_cpu
from .arrays import Array, Size, own
from .conv import Geometry, check


def push(x: Array, M: Array, g: Geometry) -> Array:
    """As conv.push."""
    check(x.shape, M.shape, None, g)
    found: Array = _way(g, x.shape[3:], M.shape[2], M.shape[1]).push(own(x), own(M), g)
    return found


def pull(delta: Array, M: Array, g: Geometry, size: Size, shared: bool = False) -> Array:
    """As conv.pull."""
    lanes = 1 if shared else len(M)
    check((len(delta), lanes, M.shape[2] * g.groups, *size), M.shape, delta.shape, g)
    found: Array = _way(g, size, M.shape[2], M.shape[1]).pull(own(delta), own(M), g, size, shared)
    return found


def outer(delta: Array, x: Array, g: Geometry) -> Array:
    """As conv.outer."""
    inputs = x.shape[2] // g.groups
    check(x.shape, (*delta.shape[1:3], inputs, g.kernel, g.kernel), delta.shape, g)
    found: Array = _way(g, x.shape[3:], inputs, delta.shape[2]).outer(own(delta), own(x), g)
    return found


def _way(g: Geometry, size: Size, inputs: int, outputs: int) -> ModuleType:
    """The module that serves this geometry. inputs: of a group."""
    if inputs == 1:
        return depthwise_cpu
    return winograd_cpu if winograd_cpu.serves(g, size, inputs, outputs // g.groups) else dense_cpu
