"""Batch normalisation (Ioffe & Szegedy 2015), and the normalisation of the data that a model owns."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..engine.backend import Array, array_module
from ..engine.kernels import batchnorm, channel, residual
from ..engine.kernels.batchnorm import Pair
from ..engine.kernels.half import Norm
from ..engine.parameter import Parameter, constant
from ..engine.step import Step
from .layer import Layer


class Normed(NamedTuple):
    """What a pass makes of the statistics: y = a·x + b, and 1/√(σ² + ε)."""

    norm: Norm
    rstd: Array


class BatchNorm(Layer):
    """y = γ (x - μ) / √(σ² + ε) + β over N, H, W of each lane and channel of x (N, R, C, H, W).

    affine=False: γ = 1, β = 0. relu=True rectifies y in the same pass. track=True keeps running statistics
    (momentum 0.1, unbiased variance) for evaluation; without them evaluation uses the batch's statistics too.
    """

    def __init__(
        self, channels: int, lanes: int = 1, affine: bool = True, track: bool = True, relu: bool = False
    ) -> None:
        self.channels, self.lanes, self.track, self.relu = channels, lanes, track, relu
        self.gamma = Parameter((lanes, channels), constant(1.0)) if affine else None
        self.beta = Parameter((lanes, channels), constant(0.0)) if affine else None
        self.buffers: dict[str, Array] = {}
        if track:
            self.buffers = {"mean": np.zeros((lanes, channels)), "variance": np.ones((lanes, channels))}

    def forward(self, x: Array, step: Step, plus: Array | None = None) -> Array:
        """y; a residual block's shortcut is the `plus` that is added before the rectifier (relu=True)."""
        found: tuple[Array | None, Array | None] = (None, None) if self._fixed(step) else channel.moments(x)
        (a, b, mean), rstd = self.normed(found[0], found[1], x, step)
        y = channel.affine(x, a, b, self.relu) if plus is None else residual.join(x, a, b, plus)
        step.keep(self, x, mean, rstd, y if self.relu else None)
        return y

    def normed(self, mean: Array | None, variance: Array | None, x: Array, step: Step) -> Normed:
        """The affine map that x, of this mean and biased variance (R, C), goes through in this pass."""
        learned = None if self.gamma is None or self.beta is None else Pair(self.gamma.value, self.beta.value)
        followed = None
        if self._fixed(step) or mean is None or variance is None:
            mean, variance = (self.buffers[n].astype(x.dtype, copy=False) for n in ("mean", "variance"))
        elif self.track and step.track and step.training and step.learn:
            followed = Pair(self.buffers["mean"], self.buffers["variance"])
        a, b, rstd = batchnorm.forward(mean, variance, learned, followed, self._count(x))
        return Normed(Norm(a, b, mean), rstd)

    def backward(self, delta: Array, step: Step) -> Array:
        return self.both_ways(delta, step)[0]

    def both_ways(self, delta: Array, step: Step) -> tuple[Array, Array]:
        """The error below, and ∂L/∂plus."""
        x, mean, rstd, y = step.take(self)
        if self.relu:
            g, S0, S1 = residual.gate(delta, y, x, mean)
        else:
            g, (S0, S1) = delta, channel.grad_sums(delta, x, mean)
        return channel.combine(g, x, *self.coefficients(mean, rstd, S0, S1, x, step)), g

    def coefficients(
        self, mean: Array, rstd: Array, S0: Array, S1: Array, x: Array, step: Step
    ) -> tuple[Array, Array, Array]:
        """(A, B, E) with ∂L/∂x = A·g + B·x + E, from S0 = Σ g, S1 = Σ g (x - μ); γ and β learn where step.learn."""
        gradients = None
        if step.learn and self.gamma is not None and self.beta is not None:
            gradients = Pair(self.gamma.grad, self.beta.grad)
        return self._through(mean, rstd, S0, S1, x, step, gradients)

    def tangent(self, t: Array, step: Step) -> Array:
        """x̂'s Jacobian is symmetric in each channel; γ and β move along step.direction."""
        x, mean, rstd, y = step.take(self)
        S0, S1 = channel.grad_sums(t, x, mean)
        out = channel.combine(t, x, *self._through(mean, rstd, S0, S1, x, step))
        if self.gamma is not None and self.beta is not None:
            v, u = step.direction[self.gamma], step.direction[self.beta]
            out = out + channel.affine(x, v * rstd, u - v * rstd * mean)
        return channel.relu_grad(out, y) if self.relu else out

    def _fixed(self, step: Step) -> bool:
        return self.track and not step.uses_batch_statistics

    def _count(self, x: Array) -> int:
        return x.size // (self.lanes * self.channels)

    def _through(
        self,
        mean: Array,
        rstd: Array,
        S0: Array,
        S1: Array,
        x: Array,
        step: Step,
        gradients: Pair | None = None,
    ) -> tuple[Array, Array, Array]:
        scale = None if self.gamma is None else self.gamma.value
        found = batchnorm.backward(mean, rstd, S0, S1, scale, self._count(x), gradients)
        if not self._fixed(step):
            return found
        a: Array = found[0]  # the statistics are constants
        return a, 0 * a, 0 * a


class Normalise:
    """(x - mean) / std per channel: images (N, C, H, W) in [0, 1] to feature maps (N, 1, C, H, W).

    A model owns it, so that attacks and figures speak of images in [0, 1].
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        self.buffers = {"mean": np.array(mean, np.float64), "std": np.array(std, np.float64)}

    def __call__(self, images: Array) -> Array:
        xp = array_module(images)
        mean, std = (xp.asarray(self.buffers[n], images.dtype)[:, None, None] for n in ("mean", "std"))
        y: Array = ((images - mean) / std)[:, None]
        return y
