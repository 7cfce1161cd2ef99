"""Dropout of elements (Srivastava et al. 2014), and of whole paths (Larsson et al. 2017)."""

from ..engine.backend import Array, array_module
from ..engine.kernels import philox
from ..engine.step import Step
from .layer import Layer


class Dropout(Layer):
    """y = m ∘ x / (1 - p), m = 0 with probability p and else 1; y = x outside training.

    The mask is a function of the run's key, the layer's name and the update: 16 random bits an element.
    """

    def __init__(self, p: float = 0.0) -> None:
        self.p = p

    def forward(self, x: Array, step: Step) -> Array:
        scale = self._scale(x, step) if step.training and self.rate(step) else None
        step.keep(self, scale)
        return x if scale is None else x * scale

    def backward(self, delta: Array, step: Step) -> Array:
        (scale,) = step.take(self)
        return delta if scale is None else delta * scale

    def tangent(self, t: Array, step: Step) -> Array:
        return self.backward(t, step)

    def rate(self, step: Step) -> float:
        """The probability with which an element is dropped in this pass."""
        return self.p

    def _scale(self, x: Array, step: Step) -> Array:
        key = step.key.to(f"{self.name}/dropout", step.update)
        return philox.mask(array_module(x).empty(x.shape, x.dtype), key, self.rate(step), step.clock)


class SkipDropout(Dropout):
    """Dropout after an identity of the supernet (P-DARTS, Chen et al. 2019), p = step.drop_path."""

    def rate(self, step: Step) -> float:
        return step.drop_path


class DropPath(SkipDropout):
    """Drops a sample's whole path with probability p = step.drop_path: m has one number a sample.

    (Per sample, as DARTS uses it, never on an identity.)
    """

    def _scale(self, x: Array, step: Step) -> Array:
        key = step.key.to(f"{self.name}/drop_path", step.update)
        u = philox.uniform(array_module(x).empty(len(x), x.dtype), key, clock=step.clock)
        kept = (u >= step.drop_path).astype(x.dtype) / x.dtype.type(1 - step.drop_path)
        scale: Array = kept.reshape(-1, *[1] * (x.ndim - 1))
        return scale
