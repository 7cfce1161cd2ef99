"""ResNet in He's CIFAR form (He et al. 2016, section 4.2): 6n + 2 layers, shortcuts of option A."""

from ..engine.backend import Array, array_module
from ..engine.kernels import residual
from ..engine.step import Step
from .conv import Conv
from .layer import Layer, Sequential
from .linear import Linear
from .named import RuleOf
from .norm import BatchNorm
from .pointwise import GlobalAverage


class BasicBlock(Layer):
    """y = ReLU(BN(conv(ReLU(BN(conv(x))))) + shortcut(x)), 3x3 convolutions.

    Option A: where the block halves the size, the shortcut is every second pixel, padded with zero channels; it
    has no weights. The shortcut carries the exact error, whatever the rules of the convolutions.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, rule_of: RuleOf, name: str) -> None:
        self._stride = stride
        self.body = Sequential(
            conv0=Conv(inputs, outputs, 3, [rule_of(f"{name}.body.conv0")], stride=stride),
            norm0=BatchNorm(outputs, relu=True),
            conv1=Conv(outputs, outputs, 3, [rule_of(f"{name}.body.conv1")]),
            norm1=(norm1 := BatchNorm(outputs, relu=True)),
        )
        self._norm1, self._before = norm1, list(self.body.layers.values())[:-1]

    def forward(self, x: Array, step: Step) -> Array:
        y = x
        for layer in self._before:
            y = layer.forward(y, step)
        step.keep(self, x.shape[2])
        return self._norm1.forward(y, step, self._shortcut(x, y))

    def backward(self, delta: Array, step: Step) -> Array:
        (inputs,) = step.take(self)
        below, shortcut = self._norm1.both_ways(delta, step)
        for layer in reversed(self._before):
            below = layer.backward(below, step)
        s = self._stride
        if s == 1:
            residual.add(below, shortcut)
        else:
            below[..., ::s, ::s] += shortcut[:, :, :inputs]
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
