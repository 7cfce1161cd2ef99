"""Layers without weights: rectifier, pools, flattening, dropout of paths."""

from ..engine.backend import Array, array_module
from ..engine.kernels import channel, elementwise, philox, pool
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


class MaxPool(Layer):
    """The largest value of each k x k window; the first one where several are equal."""

    def __init__(self, kernel: int, stride: int, padding: int = 0) -> None:
        self.window = kernel, stride, padding

    def forward(self, x: Array, step: Step) -> Array:
        y, where = pool.max_pool(x, *self.window)
        step.keep(self, where, x.shape[-2:])
        return y

    def backward(self, delta: Array, step: Step) -> Array:
        where, size = step.take(self)
        return pool.max_pool_pull(delta, where, *self.window, size)

    def tangent(self, t: Array, step: Step) -> Array:
        where, _ = step.take(self)
        return pool.max_pool_push(t, where, *self.window)


class AveragePool(Layer):
    """The mean of each k x k window; padding is not counted."""

    def __init__(self, kernel: int, stride: int, padding: int = 0) -> None:
        self.window = kernel, stride, padding

    def forward(self, x: Array, step: Step) -> Array:
        step.keep(self, x.shape[-2:])
        return pool.avg_pool(x, *self.window)

    def backward(self, delta: Array, step: Step) -> Array:
        (size,) = step.take(self)
        return pool.avg_pool_pull(delta, *self.window, size)

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


class DropPath(Layer):
    """Drops a sample's whole path with probability p = step.drop_path and divides the others by 1 - p.

    (Larsson et al. 2017; per sample, as DARTS uses it, never on an identity). The mask is a function of the
    run's key, the layer's name and the update.
    """

    def forward(self, x: Array, step: Step) -> Array:
        scale = self._scale(x, step)
        step.keep(self, scale)
        return x if scale is None else x * scale

    def backward(self, delta: Array, step: Step) -> Array:
        (scale,) = step.take(self)
        return delta if scale is None else delta * scale

    def tangent(self, t: Array, step: Step) -> Array:
        return self.backward(t, step)

    def _scale(self, x: Array, step: Step) -> Array | None:
        if not step.training or step.drop_path == 0:
            return None
        key = step.key.to(f"{self.name}/drop_path", step.update)
        u = philox.uniform(array_module(x).empty(len(x), x.dtype), key, clock=step.clock)
        kept = (u >= step.drop_path).astype(x.dtype) / x.dtype.type(1 - step.drop_path)
        scale: Array = kept.reshape(-1, *[1] * (x.ndim - 1))
        return scale
