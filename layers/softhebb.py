"""SoftHebb's three-layer network (Journé, Rodriguez, Guo & Moraitis 2023)."""

from typing import NamedTuple

from ..engine.errors import UsageError
from ..engine.parameter import gaussian_of_std
from .activation import Triangle
from .conv import Conv
from .dropout import Dropout
from .layer import Layer, Sequential
from .linear import Linear
from .named import RuleOf
from .norm import BatchNorm
from .padding import ReflectPad
from .pointwise import AveragePool, Flatten, MaxPool

LONG = 25.0  # the expected length of a unit's initial weights


class Stage(NamedTuple):
    outputs: int
    kernel: int
    power: float
    pool: Layer


class SoftHebbNetwork(Sequential):
    """Three times batch norm, convolution, Triangle, pool; then linear to K logits, behind dropout.

    conv5x5-96, Triangle 0.7, max pool 4 stride 2; conv3x3-384, Triangle 1.4, max pool 4 stride 2; conv3x3-1536,
    Triangle 1, average pool 2. Images are padded by reflection, the norms have no parameters, and initial weights are
    (25/√fan_in)·N(0, 1). `width` multiplies the channels.
    """

    def __init__(
        self,
        image_channels: int,
        size: tuple[int, int],
        classes: int,
        rule_of: RuleOf,
        *,
        dropout: float = 0.5,
        width: float = 1.0,
    ) -> None:
        if min(size) < 16:
            raise UsageError(f"softhebb: images of {size[0]} x {size[1]}, expected 16 x 16 or more.")
        stages = (
            Stage(int(96 * width), 5, 0.7, MaxPool(4, 2, 1)),
            Stage(int(384 * width), 3, 1.4, MaxPool(4, 2, 1)),
            Stage(int(1536 * width), 3, 1.0, AveragePool(2, 2)),
        )
        layers: dict[str, Layer] = {}
        channels = image_channels
        for i, stage in enumerate(stages):
            layers[f"norm{i}"] = BatchNorm(channels, affine=False)
            layers[f"pad{i}"] = ReflectPad(stage.kernel // 2)
            layers[f"conv{i}"] = long_conv(channels, stage, rule_of, f"conv{i}")
            layers[f"triangle{i}"] = Triangle(stage.power)
            layers[f"pool{i}"] = stage.pool
            channels = stage.outputs
        places = (size[0] // 8) * (size[1] // 8)
        layers["flatten"] = Flatten()
        layers["dropout"] = Dropout(dropout)
        layers["classifier"] = Linear(channels * places, classes, [rule_of("classifier")])
        super().__init__(**layers)


def long_conv(channels: int, stage: Stage, rule_of: RuleOf, name: str) -> Conv:
    """Units compete from the first step on where their weights are long: the softmax is nearly a winner-take-all."""
    conv = Conv(channels, stage.outputs, stage.kernel, [rule_of(name)], padding=0)
    conv.s = LONG / (channels * stage.kernel**2) ** 0.5
    conv.W.initialiser = gaussian_of_std(conv.s)
    return conv
