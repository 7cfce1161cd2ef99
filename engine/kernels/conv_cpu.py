"""The CPU twin of conv.py: depthwise and all other convolutions have a file each."""

import numpy as np

from . import dense_cpu, depthwise_cpu
from .arrays import Array, Size
from .conv import Geometry


def push(x: Array, M: Array, g: Geometry) -> Array:
    """As conv.push."""
    twin = depthwise_cpu.push if M.shape[2] == 1 else dense_cpu.push
    return twin(np.ascontiguousarray(x), np.ascontiguousarray(M), g)


def pull(delta: Array, M: Array, g: Geometry, size: Size, shared: bool = False) -> Array:
    """As conv.pull."""
    twin = depthwise_cpu.pull if M.shape[2] == 1 else dense_cpu.pull
    return twin(np.ascontiguousarray(delta), np.ascontiguousarray(M), g, size, shared)


def outer(delta: Array, x: Array, g: Geometry) -> Array:
    """As conv.outer."""
    twin = depthwise_cpu.outer if x.shape[2] == g.groups else dense_cpu.outer
    return twin(np.ascontiguousarray(delta), np.ascontiguousarray(x), g)
