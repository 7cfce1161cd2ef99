"""LeNet in the 20-50-500 form, with batch norm, for images of 8 x 8 and larger (LeCun et al. 1998)."""

from .conv import Conv
from .layer import Sequential
from .linear import Linear
from .named import RuleOf
from .norm import BatchNorm
from .pointwise import Flatten, MaxPool, ReLU


class LeNet(Sequential):
    """conv5x5-20, BN, ReLU, pool 2, conv5x5-50, BN, ReLU, pool 2, linear 500, ReLU, linear K.

    The convolutions keep the size. Batch norm is there for the sake of asymmetric feedback, which needs it
    (Liao, Leibo & Poggio 2016).
    """

    def __init__(self, image_channels: int, size: tuple[int, int], classes: int, rule_of: RuleOf) -> None:
        first = Conv(image_channels, 20, 5, [rule_of("conv0")])
        first.sends_error = False
        super().__init__(
            conv0=first,
            norm0=BatchNorm(20, relu=True),
            pool0=MaxPool(2, 2),
            conv1=Conv(20, 50, 5, [rule_of("conv1")]),
            norm1=BatchNorm(50, relu=True),
            pool1=MaxPool(2, 2),
            flatten=Flatten(),
            linear=Linear(50 * (size[0] // 4) * (size[1] // 4), 500, [rule_of("linear")]),
            relu=ReLU(),
            classifier=Linear(500, classes, [rule_of("classifier")]),
        )
