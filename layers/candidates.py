"""The operations of the DARTS space (Liu, Simonyan & Yang 2019), each as the body between its ReLU and its norm.

    sep_conv_kxk   ReLU, depthwise kxk stride s, pointwise, BN, ReLU, depthwise kxk, pointwise, BN
    dil_conv_kxk   ReLU, depthwise kxk dilation 2 stride s, pointwise, BN
    skip_connect   x at stride 1; at stride 2 factorized reduce: ReLU, two 1x1 stride-2 convolutions, BN
    max_pool_3x3, avg_pool_3x3 (padding not counted), BN in search
    none           0

Beyond the DARTS space, for Hebbian and predictive candidates (BioNAS, Hamzaoui & Baghdadi 2025):

    conv_3x3           ReLU, 3x3 convolution stride s, BN
    pc_conv_3x3        ReLU, predictive-coding convolution (predictive.py) stride s, BN
    gated_pc_conv_3x3  the same with its gate

A body leaves out the leading ReLU, which all convolutions on one feature map share, and the last BN, which a
mixed edge fuses into the node's sum. In search form R rules run as R lanes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..engine.backend import Array, array_module
from ..engine.rule import Rule
from ..engine.step import Step
from .conv import Conv
from .halves import Halves
from .layer import Layer, Sequential
from .norm import BatchNorm
from .pointwise import AveragePool, MaxPool
from .predictive import PredictiveConv

Build = Callable[[int, int, Sequence[Rule], bool], Layer | None]


@dataclass(frozen=True)
class Operation:
    """build(channels, stride, rules, affine) gives the body, None where y = x or y = 0.

    weighted: it has weights and so a rule (skip_connect: at stride 2 only).
    """

    name: str
    build: Build
    weighted: bool = False


def separable(kernel: int) -> Build:
    def build(channels: int, stride: int, rules: Sequence[Rule], affine: bool) -> Layer:
        def depthwise(stride: int) -> Conv:
            return Conv(channels, channels, kernel, rules, stride=stride, groups=channels)

        return Halves(
            thrifty=not affine,  # a supernet
            depthwise0=depthwise(stride),
            pointwise0=Conv(channels, channels, 1, rules),
            norm0=BatchNorm(channels, len(rules), affine, track=affine, relu=True),
            depthwise1=depthwise(1),
            pointwise1=Conv(channels, channels, 1, rules),
        )

    return build


def dilated(kernel: int) -> Build:
    def build(channels: int, stride: int, rules: Sequence[Rule], affine: bool) -> Layer:
        return Halves(
            depthwise=Conv(channels, channels, kernel, rules, stride=stride, dilation=2, groups=channels),
            pointwise=Conv(channels, channels, 1, rules),
        )

    return build


def dense(channels: int, stride: int, rules: Sequence[Rule], affine: bool) -> Layer:
    return Sequential(conv=Conv(channels, channels, 3, rules, stride=stride))


def predictive(gated: bool) -> Build:
    def build(channels: int, stride: int, rules: Sequence[Rule], affine: bool) -> Layer:
        return Sequential(predictive=PredictiveConv(channels, 3, rules, stride=stride, gated=gated))

    return build


def skip(channels: int, stride: int, rules: Sequence[Rule], affine: bool) -> Layer | None:
    return None if stride == 1 else FactorizedReduce(channels, channels, rules)


class FactorizedReduce(Layer):
    """Half of the channels from x, half from x shifted by one pixel, each by a 1x1 convolution of stride 2.

    On odd sizes the shifted image gains a row and a column of zeros, so that both halves agree.
    """

    def __init__(self, channels: int, outputs: int, rules: Sequence[Rule]) -> None:
        self.even = Conv(channels, outputs // 2, 1, rules, stride=2, padding=0)
        self.odd = Conv(channels, outputs - outputs // 2, 1, rules, stride=2, padding=0)

    def forward(self, x: Array, step: Step) -> Array:
        return self._join(self.even.forward(x, step), self.odd.forward(shifted(x), step))

    def backward(self, delta: Array, step: Step) -> Array:
        half, xp = self.even.outputs, array_module(delta)
        below = self.even.backward(xp.ascontiguousarray(delta[:, :, :half]), step)
        odd = self.odd.backward(xp.ascontiguousarray(delta[:, :, half:]), step)
        below[..., 1:, 1:] += odd[..., :-1, :-1]
        return below

    def tangent(self, t: Array, step: Step) -> Array:
        return self._join(self.even.tangent(t, step), self.odd.tangent(shifted(t), step))

    def _join(self, even: Array, odd: Array) -> Array:
        joined: Array = array_module(even).concatenate([even, odd], axis=2)
        return joined


def shifted(x: Array) -> Array:
    """x moved up and left by one pixel, zeros at the far borders; the shape of x."""
    out: Array = array_module(x).zeros_like(x)
    out[..., :-1, :-1] = x[..., 1:, 1:]
    return out


OPERATIONS = {
    operation.name: operation
    for operation in (
        Operation("none", lambda *_: None),
        Operation("max_pool_3x3", lambda _c, stride, _r, _a: MaxPool(3, stride, 1)),
        Operation("avg_pool_3x3", lambda _c, stride, _r, _a: AveragePool(3, stride, 1)),
        Operation("skip_connect", skip),
        Operation("sep_conv_3x3", separable(3), weighted=True),
        Operation("sep_conv_5x5", separable(5), weighted=True),
        Operation("dil_conv_3x3", dilated(3), weighted=True),
        Operation("dil_conv_5x5", dilated(5), weighted=True),
        Operation("conv_3x3", dense, weighted=True),
        Operation("pc_conv_3x3", predictive(gated=False), weighted=True),
        Operation("gated_pc_conv_3x3", predictive(gated=True), weighted=True),
    )
}
DARTS = tuple(OPERATIONS)[:8]


def reads_rectified(name: str, stride: int) -> bool:
    """Whether the operation opens with a ReLU."""
    return OPERATIONS[name].weighted or (name == "skip_connect" and stride == 2)


def is_normed(name: str, stride: int, affine: bool) -> bool:
    """Whether a batch norm closes it: convolutions and factorized reduce always, pools in search form only."""
    return reads_rectified(name, stride) or (is_pool(name) and not affine)


def is_pool(name: str) -> bool:
    return name.endswith("pool_3x3")
