"""Convolutions fused with the norms around them (kernels/conv_norm.py), and how their synapses learn and send.

The fused pass is open to rules that only transport the error and learn by -δ ⊗ x, and to any rule in an exact pass.
All others, a pass whose tape is kept for a tangent sweep, and a device go layer by layer: the same mathematics.
"""

import numpy as np

from ..engine.backend import Array, array_module
from ..engine.kernels import channel, conv_norm
from ..engine.kernels.conv_norm import Below
from ..engine.kernels.half import Norm, Upstream
from ..engine.lanes import only_transports
from ..engine.step import Step
from .conv import Conv
from .layer import Sequential
from .norm import BatchNorm, Normed
from .pointwise import ReLU


def fuses(x: Array, step: Step, *convs: Conv) -> bool:
    """Whether these may run fused in this pass."""
    if step.keep_tape or array_module(x) is not np:
        return False
    return step.exact or all(only_transports(rule) for conv in convs for rule in conv.rules)


def forward(x: Array, conv: Conv, norm: BatchNorm, below: Norm | None, step: Step) -> tuple[Array, Normed]:
    """y = W z, z = x or what the norm below makes of it; and the norm above."""
    if step.answers:
        conv.tell_answer(_read(x, below), step)
    y, mean, variance = conv_norm.forward(x, conv.laned(conv.W.value), conv.geometry, below)
    return y, norm.normed(mean, variance, y, step)


def backward(
    up: Upstream, x: Array, conv: Conv, below: Norm | None, step: Step, into: Array | None = None
) -> Below:
    """The synapse learns; the error below."""
    B = conv.sending_weights(step)
    if step.probes:
        _tell(up, x, conv, below, B, step)
    found = conv_norm.backward(up, x, B, conv.geometry, below, into, step.learn)
    if step.learn:
        conv.descend(found.dM)
    return found


def _tell(up: Upstream, x: Array, conv: Conv, below: Norm | None, B: Array, step: Step) -> None:
    """For those who watch: the synapse's signals, by the maps. What the fused pass computes is not touched."""
    z = _read(x, below)
    delta = channel.combine(*up)
    s = conv.signals(z, delta, step)
    s.note(range(conv.lanes), "x", "delta")  # what the fused products read
    dW = -s.maps.outer(delta, z) if step.learn else None
    conv.tell(s, s.maps.pull(delta, B), dW, step)


def _read(x: Array, below: Norm | None) -> Array:
    """z, what the convolution reads."""
    z: Array = x if below is None else channel.affine(x, below.a, below.b, relu=True)
    return z


class RectifiedConv(Sequential):
    """ReLU, convolution, batch norm: max(x, 0) is made again in backward, not kept."""

    def __init__(self, conv: Conv, norm: BatchNorm) -> None:
        self._conv, self._norm = conv, norm
        super().__init__(relu=ReLU(), conv=conv, norm=norm)

    def forward(self, x: Array, step: Step) -> Array:
        if not fuses(x, step, self._conv):
            return super().forward(x, step)
        y, ((a, b, mean), rstd) = forward(x, self._conv, self._norm, _rectifier(x), step)
        step.keep(self, x, y, mean, rstd)
        return channel.affine(y, a, b)

    def backward(self, delta: Array, step: Step) -> Array:
        if self not in step.tape:
            return super().backward(delta, step)
        x, y, mean, rstd = step.take(self)
        S0, S1 = channel.grad_sums(delta, y, mean)
        up = Upstream(delta, y, *self._norm.coefficients(mean, rstd, S0, S1, y, step))
        error: Array = backward(up, x, self._conv, _rectifier(x), step).error
        return error


def _rectifier(x: Array) -> Norm:
    """The norm that leaves x as it is before the rectifier."""
    one, zero = np.ones(x.shape[1:3], x.dtype), np.zeros(x.shape[1:3], x.dtype)
    return Norm(one, zero, zero)
