"""Batch normalisation (Ioffe & Szegedy 2015), and the normalisation of the data that a model owns."""

from collections.abc import Sequence

import numpy as np

from ..engine.backend import Array, array_module
from ..engine.kernels import channel, residual
from ..engine.parameter import Parameter, constant
from ..engine.step import Step
from .layer import Layer

EPSILON = 1e-5


def gradient_coefficients(
    scale: Array | float, mean: Array, rstd: Array, S0: Array, S1: Array, count: int
) -> tuple[Array, Array, Array]:
    """(a, b, d), each (R, C), with ∂L/∂x = a·g + b·x + d for y = scale·x̂, x̂ = (x - mean)·rstd, g = ∂L/∂y.

    ∂L/∂x = scale·rstd·(g - S0/M - x̂·S1/M), S0 = Σ g, S1 = Σ g x̂, M = count values a channel.
    """
    a = scale * rstd
    b = -a * rstd * S1 / count
    return a, b, -a * S0 / count - b * mean


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
        mean, variance = self._statistics(x, step)
        rstd = 1.0 / array_module(x).sqrt(variance + EPSILON)
        scale = rstd if self.gamma is None else rstd * self.gamma.value
        shift = -mean * scale if self.beta is None else self.beta.value - mean * scale
        scale, shift = scale.astype(x.dtype), shift.astype(x.dtype)
        y = (
            channel.affine(x, scale, shift, self.relu)
            if plus is None
            else residual.join(x, scale, shift, plus)
        )
        step.keep(self, x, mean, rstd, y if self.relu else None)
        return y

    def backward(self, delta: Array, step: Step) -> Array:
        return self.both_ways(delta, step)[0]

    def both_ways(self, delta: Array, step: Step) -> tuple[Array, Array]:
        """The error below, and ∂L/∂plus."""
        x, mean, rstd, y = step.take(self)
        if self.relu:
            g, S0, S1 = residual.gate(delta, y, x, mean)
        else:
            g, (S0, S1) = delta, channel.grad_sums(delta, x, mean)
        S1 = S1 * rstd
        if step.learn and self.gamma is not None and self.beta is not None:
            self.gamma.grad += S1
            self.beta.grad += S0
        return self._through(g, x, mean, rstd, S0, S1, step), g

    def tangent(self, t: Array, step: Step) -> Array:
        """x̂'s Jacobian is symmetric in each channel; γ and β move along step.direction."""
        x, mean, rstd, y = step.take(self)
        S0, S1 = channel.grad_sums(t, x, mean)
        out = self._through(t, x, mean, rstd, S0, S1 * rstd, step)
        if self.gamma is not None and self.beta is not None:
            v, u = step.direction[self.gamma], step.direction[self.beta]
            out = out + channel.affine(x, v * rstd, u - v * rstd * mean)
        return channel.relu_grad(out, y) if self.relu else out

    def _statistics(self, x: Array, step: Step) -> tuple[Array, Array]:
        if self.track and not step.uses_batch_statistics:
            return self.buffers["mean"].astype(x.dtype), self.buffers["variance"].astype(x.dtype)
        mean, variance = channel.moments(x)
        if self.track and step.track and step.training and step.learn:
            count = x.size // (self.lanes * self.channels)
            self._follow("mean", mean)
            self._follow("variance", variance * (count / max(count - 1, 1)))
        return mean, variance

    def _follow(self, name: str, value: Array) -> None:
        self.buffers[name] += 0.1 * (value - self.buffers[name])

    def _through(
        self, g: Array, x: Array, mean: Array, rstd: Array, S0: Array, S1: Array, step: Step
    ) -> Array:
        scale = 1.0 if self.gamma is None else self.gamma.value
        if self.track and not step.uses_batch_statistics:  # the statistics are constants
            a = array_module(x).broadcast_to(scale * rstd, rstd.shape)
            return channel.combine(g, x, a.astype(x.dtype), 0 * a.astype(x.dtype), 0 * a.astype(x.dtype))
        count = x.size // (self.lanes * self.channels)
        a, b, d = gradient_coefficients(scale, mean, rstd, S0, S1, count)
        return channel.combine(g, x, a.astype(x.dtype), b.astype(x.dtype), d.astype(x.dtype))


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
