"""LeNet, ResNet and a perceptron in PyTorch, written from the papers. Modules are named as the layers they stand for.

Chains tell their blocks, each a map and what follows it.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import reduce

from torch_maps import Conv, Linear
from torch_rules import Rules, Tensor, torch

nn, F = torch.nn, torch.nn.functional
RuleOf = Callable[[str], Rules]


def norm(channels: int, affine: bool = True) -> torch.nn.Module:
    return nn.BatchNorm2d(channels, affine=affine, track_running_stats=affine)


def chain(**modules: torch.nn.Module) -> torch.nn.Sequential:
    return nn.Sequential(OrderedDict(modules))


class LeNet(torch.nn.Module):
    """20-50-500 with batch norm (LeCun et al. 1998; Liao, Leibo & Poggio 2016)."""

    def __init__(self, image_channels: int, size: tuple[int, int], classes: int, rule_of: RuleOf) -> None:
        super().__init__()
        self.conv0, self.norm0 = Conv(image_channels, 20, 5, rule_of("conv0")), norm(20)
        self.conv1, self.norm1 = Conv(20, 50, 5, rule_of("conv1")), norm(50)
        self.linear = Linear(50 * (size[0] // 4) * (size[1] // 4), 500, rule_of("linear"))
        self.classifier = Linear(500, classes, rule_of("classifier"))

    def blocks(self) -> list[Callable[[Tensor], Tensor]]:
        return [
            lambda x: F.max_pool2d(F.relu(self.norm0(self.conv0(x))), 2),
            lambda x: F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 2),
            lambda x: F.relu(self.linear(x.flatten(1))),
            self.classifier,
        ]

    def forward(self, x: Tensor) -> list[Tensor]:
        return [reduce(lambda a, block: block(a), self.blocks(), x)]


class MLP(torch.nn.Module):
    """Hidden layers with rectifiers, and a linear one."""

    def __init__(self, inputs: int, classes: int, rule_of: RuleOf, hidden: Sequence[int]) -> None:
        super().__init__()
        self.depth = len(hidden)
        for i, outputs in enumerate(hidden):
            self.add_module(f"hidden{i}", Linear(inputs, outputs, rule_of(f"hidden{i}")))
            inputs = outputs
        self.classifier = Linear(inputs, classes, rule_of("classifier"))

    def blocks(self) -> list[Callable[[Tensor], Tensor]]:
        hidden = [self.get_submodule(f"hidden{i}") for i in range(self.depth)]
        return [*(lambda x, layer=layer: F.relu(layer(x.flatten(1))) for layer in hidden), self.classifier]

    def forward(self, x: Tensor) -> list[Tensor]:
        return [reduce(lambda a, block: block(a), self.blocks(), x)]


class Block(torch.nn.Module):
    """He's basic block with the shortcut of option A."""

    def __init__(self, inputs: int, outputs: int, stride: int, rule_of: RuleOf, name: str) -> None:
        super().__init__()
        self.stride, self.widening = stride, outputs - inputs
        self.body = chain(
            conv0=Conv(inputs, outputs, 3, rule_of(f"{name}.body.conv0"), stride=stride),
            norm0=norm(outputs),
            relu=nn.ReLU(),
            conv1=Conv(outputs, outputs, 3, rule_of(f"{name}.body.conv1")),
            norm1=norm(outputs),
        )

    def forward(self, x: Tensor) -> Tensor:
        shortcut = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.widening))
        return F.relu(self.body(x) + shortcut)


class ResNet(torch.nn.Module):
    """He et al. 2016, section 4.2."""

    def __init__(self, image_channels: int, classes: int, rule_of: RuleOf, depth: int = 20) -> None:
        super().__init__()
        self.stem, self.norm = Conv(image_channels, 16, 3, rule_of("stem")), norm(16)
        self.blocks: list[str] = []
        inputs = 16
        for i in range((depth - 2) // 2):
            stage, place = divmod(i, (depth - 2) // 6)
            self.blocks.append(f"stage{stage}_block{place}")
            stride = 2 if stage and not place else 1
            self.add_module(self.blocks[-1], Block(inputs, 16 << stage, stride, rule_of, self.blocks[-1]))
            inputs = 16 << stage
        self.classifier = Linear(64, classes, rule_of("classifier"))

    def forward(self, x: Tensor) -> list[Tensor]:
        x = F.relu(self.norm(self.stem(x)))
        for name in self.blocks:
            x = self.get_submodule(name)(x)
        return [self.classifier(x.mean((2, 3)))]
