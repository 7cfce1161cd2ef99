"""The parts of DARTS' networks in PyTorch, written from the paper: operations, preprocessing, auxiliary head."""

from collections.abc import Mapping

from torch_maps import Conv, Linear
from torch_models import chain, nn, norm
from torch_rules import Rules, Tensor, torch

F = torch.nn.functional

Roles = Mapping[str, Rules]


class FactorizedReduce(torch.nn.Module):
    """1x1 convolutions of stride 2 on x and on x moved by a pixel, each half of the channels."""

    def __init__(self, inputs: int, outputs: int, rules: Rules) -> None:
        super().__init__()
        self.even = Conv(inputs, outputs // 2, 1, rules, stride=2)
        self.odd = Conv(inputs, outputs // 2, 1, rules, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.even(x), self.odd(F.pad(x[:, :, 1:, 1:], (0, 1, 0, 1)))], 1)


class Zero(torch.nn.Module):
    """`none`: no signal, of the size that the others have."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        return 0 * x[:, :, :: self.stride, :: self.stride]


def candidate(name: str, C: int, stride: int, rules: Rules, affine: bool) -> torch.nn.Module:
    """An operation of the space: in search with norms that are not affine, and with one after a pool."""
    if name.endswith("pool_3x3"):
        average = nn.AvgPool2d(3, stride, 1, count_include_pad=False)
        pool = average if name.startswith("avg") else nn.MaxPool2d(3, stride, 1)
        return pool if affine else chain(pool=pool, norm=norm(C, False))
    if name == "none":
        return Zero(stride)
    if name == "skip_connect" and stride == 1:
        return nn.Identity()
    return chain(relu=nn.ReLU(), **{name: body(name, C, stride, rules, affine)}, norm=norm(C, affine))


def body(name: str, C: int, stride: int, rules: Rules, affine: bool) -> torch.nn.Module:
    if name == "skip_connect":
        return FactorizedReduce(C, C, rules)
    k = int(name[-1])
    if name.startswith("dil_conv"):
        depthwise = Conv(C, C, k, rules, stride=stride, dilation=2, groups=C)
        return chain(depthwise=depthwise, pointwise=Conv(C, C, 1, rules))
    return chain(
        depthwise0=Conv(C, C, k, rules, stride=stride, groups=C),
        pointwise0=Conv(C, C, 1, rules),
        norm0=norm(C, affine),
        relu=nn.ReLU(),
        depthwise1=Conv(C, C, k, rules, groups=C),
        pointwise1=Conv(C, C, 1, rules),
    )


def preprocess(inputs: int, C: int, halve: bool, roles: Roles, affine: bool) -> torch.nn.Module:
    halved = FactorizedReduce(inputs, C, roles["reduce"])
    conv = halved if halve else Conv(inputs, C, 1, roles["preprocess"])
    return chain(relu=nn.ReLU(), conv=conv, norm=norm(C, affine))


def auxiliary_head(inputs: int, classes: int, rules: Rules) -> torch.nn.Module:
    return chain(
        relu=nn.ReLU(),
        pool=nn.AvgPool2d(5, 3),
        conv0=Conv(inputs, 128, 1, rules),
        norm0=norm(128),
        relu0=nn.ReLU(),
        conv1=Conv(128, 768, 2, rules, padding=0),
        norm1=norm(768),
        relu1=nn.ReLU(),
        flatten=nn.Flatten(),
        classifier=Linear(768, classes, rules),
    )
