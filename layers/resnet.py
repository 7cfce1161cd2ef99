"""ResNet in He's CIFAR form (He et al. 2016, section 4.2): 6n + 2 layers, shortcuts of option A."""

from typing import Any

from ..engine.backend import Array, array_module
from ..engine.kernels import residual
from ..engine.kernels.half import Upstream
from ..engine.step import Step
from . import conv_norm
from .conv import Conv
from .layer import Layer, Sequential
from .linear import Linear
from .named import RuleOf
from .norm import BatchNorm
from .pointwise import GlobalAverage


class BasicBlock(Layer):
    """y = ReLU(BN(conv(ReLU(BN(conv(x))))) + shortcut(x)), 3x3 convolutions.

    Option A: where the block halves the size, the shortcut is every second pixel, padded with zero channels; it
    has no weights. The shortcut carries the exact error, whatever the rules of the convolutions. Where conv_norm.py
    allows it, each convolution runs in one pass with the norm below it.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, rule_of: RuleOf, name: str) -> None:
        self._stride = stride
        self._convs = (
            Conv(inputs, outputs, 3, [rule_of(f"{name}.body.conv0")], stride=stride),
            Conv(outputs, outputs, 3, [rule_of(f"{name}.body.conv1")]),
        )
        self._norm0, self._norm1 = BatchNorm(outputs, relu=True), BatchNorm(outputs, relu=True)
        self.body = Sequential(
            conv0=self._convs[0], norm0=self._norm0, conv1=self._convs[1], norm1=self._norm1
        )
        self._before = list(self.body.layers.values())[:-1]

    def forward(self, x: Array, step: Step) -> Array:
        if conv_norm.fuses(x, step, *self._convs):
            return self._forward_fused(x, step)
        y = x
        for layer in self._before:
            y = layer.forward(y, step)
        step.keep(self, x.shape[2])
        return self._norm1.forward(y, step, self._shortcut(x, y))

    def backward(self, delta: Array, step: Step) -> Array:
        inputs, *fused = step.take(self)
        if fused:
            return self._backward_fused(delta, fused, step)
        below, shortcut = self._norm1.both_ways(delta, step)
        for layer in reversed(self._before):
            below = layer.backward(below, step)
        s = self._stride
        if s == 1:
            residual.add(below, shortcut)
        else:
            below[..., ::s, ::s] += shortcut[:, :, :inputs]
        return below

    def _forward_fused(self, x: Array, step: Step) -> Array:
        y0, n0 = conv_norm.forward(x, self._convs[0], self._norm0, None, step)
        y1, ((a, b, mean), rstd) = conv_norm.forward(y0, self._convs[1], self._norm1, n0.norm, step)
        y = residual.join(y1, a, b, self._shortcut(x, y1))
        step.keep(self, x.shape[2], x, y0, n0, y1, mean, rstd, y)
        return y

    def _backward_fused(self, delta: Array, kept: list[Any], step: Step) -> Array:
        x, y0, n0, y1, mean, rstd, y = kept
        g, S0, S1 = residual.gate(delta, y, y1, mean)
        up = Upstream(g, y1, *self._norm1.coefficients(mean, rstd, S0, S1, y1, step))
        found = conv_norm.backward(up, y0, self._convs[1], n0.norm, step)
        told = n0.norm.mean, n0.rstd, found.S0, found.S1
        up = Upstream(found.error, y0, *self._norm0.coefficients(*told, y0, step))
        if self._stride == 1:
            conv_norm.backward(up, x, self._convs[0], None, step, into=g)
            return g
        below: Array = conv_norm.backward(up, x, self._convs[0], None, step).error
        residual.add(below[..., :: self._stride, :: self._stride], g[:, :, : x.shape[2]])
        return below

    def _shortcut(self, x: Array, y: Array) -> Array:
        """Every s-th pixel of x, with zero channels up to y's."""
        if self._stride == 1:
            return x
        s: Array = array_module(y).zeros_like(y)
        s[:, :, : x.shape[2]] = x[..., :: self._stride, :: self._stride]
        return s


class ResNet(Sequential):
    """Stem conv3x3-16, three stages of n blocks with 16, 32, 64 channels, global average, linear."""

    def __init__(self, image_channels: int, classes: int, rule_of: RuleOf, depth: int = 20) -> None:
        first = Conv(image_channels, 16, 3, [rule_of("stem")])
        first.sends_error = False
        blocks: dict[str, Layer] = {}
        width = 16
        for stage, outputs in enumerate((16, 32, 64)):
            for i in range((depth - 2) // 6):
                stride = 2 if stage > 0 and i == 0 else 1
                name = f"stage{stage}_block{i}"
                blocks[name] = BasicBlock(width, outputs, stride, rule_of, name)
                width = outputs
        super().__init__(
            stem=first,
            norm=BatchNorm(16, relu=True),
            **blocks,
            pool=GlobalAverage(),
            classifier=Linear(64, classes, [rule_of("classifier")]),
        )
