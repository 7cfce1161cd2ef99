"""DARTS' auxiliary head: a second classifier two thirds of the way up, for training only."""

from ..engine.rule import Rule
from .conv import Conv
from .layer import Sequential
from .linear import Linear
from .norm import BatchNorm
from .pointwise import AveragePool, Flatten, ReLU


class AuxiliaryHead(Sequential):
    """ReLU, 5x5 average pool stride 3, 1x1 convolution to 128, BN, ReLU, 2x2 convolution to 768, BN, ReLU, linear.

    For feature maps of 8 x 8, that is for images of 32 x 32 (IMAGE): it ends on one pixel.
    """

    IMAGE = 32

    def __init__(self, channels: int, classes: int, rule: Rule) -> None:
        super().__init__(
            relu=ReLU(),
            pool=AveragePool(5, 3),
            conv0=Conv(channels, 128, 1, [rule]),
            norm0=BatchNorm(128, relu=True),
            conv1=Conv(128, 768, 2, [rule], padding=0),
            norm1=BatchNorm(768, relu=True),
            flatten=Flatten(),
            classifier=Linear(768, classes, [rule]),
        )
