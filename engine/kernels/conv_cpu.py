"""The CPU twin of conv.py: depthwise and all other convolutions have a file each."""

from . import dense_cpu, depthwise_cpu
from .arrays import Array, Size, own
from .conv import Geometry, check


def push(x: Array, M: Array, g: Geometry) -> Array:
    """As conv.push."""
    check(x.shape, M.shape, None, g)
    twin = depthwise_cpu.push if M.shape[2] == 1 else dense_cpu.push
    return twin(own(x), own(M), g)


def pull(delta: Array, M: Array, g: Geometry, size: Size, shared: bool = False) -> Array:
    """As conv.pull."""
    lanes = 1 if shared else len(M)
    check((len(delta), lanes, M.shape[2] * g.groups, *size), M.shape, delta.shape, g)
    twin = depthwise_cpu.pull if M.shape[2] == 1 else dense_cpu.pull
    return twin(own(delta), own(M), g, size, shared)


def outer(delta: Array, x: Array, g: Geometry) -> Array:
    """As conv.outer."""
    inputs = x.shape[2] // g.groups
    check(x.shape, (*delta.shape[1:3], inputs, g.kernel, g.kernel), delta.shape, g)
    twin = depthwise_cpu.outer if inputs == 1 else dense_cpu.outer
    return twin(own(delta), own(x), g)
