"""Layers without weights: rectifier, pools, flattening."""

from ..engine.backend import Array, array_module
from ..engine.kernels import channel, elementwise, pool
from ..engine.step import Step
from .layer import Layer


class ReLU(Layer):
    """y = max(x, 0)."""

    def forward(self, x: Array, step: Step) -> Array:
        y = elementwise.rectify(x)
        step.keep(self, y)
        return y

    def backward(self, delta: Array, step: Step) -> Array:
        (y,) = step.take(self)
        return channel.relu_grad(delta, y)

    def tangent(self, t: Array, step: Step) -> Array:
        return self.backward(t, step)


class Pool(Layer):
    """k x k windows."""

    def __init__(self, kernel: int, stride: int, padding: int = 0) -> None:
        self.window = kernel, stride, padding

    def backward(self, delta: Array, step: Step) -> Array:
        return pool.pull(delta, self.way_back(step))

    def way_back(self, step: Step) -> pool.Pull:
        """Of errors, in this pass."""
        raise NotImplementedError


class MaxPool(Pool):
    """The largest value of each window; the first one where several are equal."""

    def forward(self, x: Array, step: Step) -> Array:
        y, where = pool.max_pool(x, *self.window)
        step.keep(self, where, x.shape[-2:])
        return y

    def way_back(self, step: Step) -> pool.Pull:
        where, size = step.take(self)
        return pool.Pull(self.window, size, where)

    def tangent(self, t: Array, step: Step) -> Array:
        where, _ = step.take(self)
        return pool.max_pool_push(t, where, *self.window)


class AveragePool(Pool):
    """The mean of each window; padding is not counted."""

    def forward(self, x: Array, step: Step) -> Array:
        step.keep(self, x.shape[-2:])
        return pool.avg_pool(x, *self.window)

    def way_back(self, step: Step) -> pool.Pull:
        (size,) = step.take(self)
        return pool.Pull(self.window, size)

    def tangent(self, t: Array, step: Step) -> Array:
        return pool.avg_pool(t, *self.window)


class GlobalAverage(Layer):
    """The mean over H and W of (N, 1, C, H, W): (N, C)."""

    def forward(self, x: Array, step: Step) -> Array:
        step.keep(self, x.shape)
        y: Array = x.mean(axis=(1, 3, 4))
        return y

    def backward(self, delta: Array, step: Step) -> Array:
        (shape,) = step.take(self)
        spread = (delta / (shape[3] * shape[4])).astype(delta.dtype)[:, None, :, None, None]
        below: Array = array_module(delta).broadcast_to(spread, shape)
        return below

    def tangent(self, t: Array, step: Step) -> Array:
        y: Array = t.mean(axis=(1, 3, 4))
        return y


class Flatten(Layer):
    """(N, ...) to (N, D)."""

    def forward(self, x: Array, step: Step) -> Array:
        step.keep(self, x.shape)
        return x.reshape(len(x), -1)

    def backward(self, delta: Array, step: Step) -> Array:
        (shape,) = step.take(self)
        return delta.reshape(shape)

    def tangent(self, t: Array, step: Step) -> Array:
        return t.reshape(len(t), -1)
