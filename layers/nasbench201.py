"""NAS-Bench-201's network (Dong & Yang 2020): one cell of four nodes and six edges, in a fixed skeleton.

cell      x_0 the input,  x_j = Σ_{i<j} o_ij(x_i),  x_3 the output
block     y = conv1x1(pool(x)) + BN(conv3x3(ReLU(BN(conv3x3(ReLU(x))))))    pool 2x2, the first conv3x3 of stride 2
skeleton  conv3x3-C, BN; n cells; block to 2C; n cells; block to 4C; n cells; BN, ReLU, average, linear

none 0 · skip_connect x · nor_conv_kxk BN(conv(ReLU(x))) · avg_pool_3x3 of stride 1, padding not counted
"""

from collections.abc import Sequence

from ..engine.backend import Array, array_module
from ..engine.errors import UsageError
from ..engine.rule import Rule
from ..engine.step import Step
from .chosen import Edge
from .conv import Conv
from .layer import Layer, Sequential
from .linear import Linear
from .norm import BatchNorm
from .pointwise import AveragePool, GlobalAverage, ReLU
from .roles import Roles

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
WEIGHTED = ("nor_conv_1x1", "nor_conv_3x3")
EDGES = tuple(
    (node, source) for node in (1, 2, 3) for source in range(node)
)  # in the order of the string format


def relu_conv_norm(channels: int, outputs: int, kernel: int, rule: Rule, stride: int = 1) -> Sequential:
    conv = Conv(channels, outputs, kernel, [rule], stride=stride)
    return Sequential(relu=ReLU(), conv=conv, norm=BatchNorm(outputs))


def operation(edge: Edge, channels: int) -> Layer | None:
    """An edge's layer; None where nothing passes."""
    if edge.operation in WEIGHTED:
        assert edge.rule is not None
        return relu_conv_norm(channels, channels, 3 if edge.operation == "nor_conv_3x3" else 1, edge.rule)
    return {"none": None, "skip_connect": Sequential(), "avg_pool_3x3": AveragePool(3, 1, 1)}[edge.operation]


class Cell(Layer):
    """The cell, x (N, 1, C, H, W) to the same shape. A node into which nothing leads is 0."""

    def __init__(self, edges: Sequence[Edge], channels: int) -> None:
        layers = [(edge, operation(edge, channels)) for edge in edges]
        self._live = [(edge, layer) for edge, layer in layers if layer is not None]
        self.edge = {f"edge{e}": layer for e, (_, layer) in enumerate(layers) if layer is not None}

    def forward(self, x: Array, step: Step) -> Array:
        nodes = {0: x}
        for edge, layer in self._live:
            y = layer.forward(_or_zeros(nodes.get(edge.source), x), step)
            nodes[edge.node] = nodes[edge.node] + y if edge.node in nodes else y
        return _or_zeros(nodes.get(3), x)

    def backward(self, delta: Array, step: Step) -> Array:
        errors = {3: delta}
        for edge, layer in reversed(self._live):
            if edge.node in errors:  # else nothing reads the node
                below = layer.backward(errors[edge.node], step)
                read = edge.source in errors
                errors[edge.source] = errors[edge.source] + below if read else below
        return _or_zeros(errors.get(0), delta)


def _or_zeros(found: Array | None, like: Array) -> Array:
    zeros: Array = array_module(like).zeros_like(like) if found is None else found
    return zeros


class ReductionBlock(Layer):
    """Half the size, other channels: a residual block whose shortcut is a 2x2 average and a 1x1 convolution."""

    def __init__(self, channels: int, outputs: int, rule: Rule) -> None:
        self.body = Sequential(
            half0=relu_conv_norm(channels, outputs, 3, rule, stride=2),
            half1=relu_conv_norm(outputs, outputs, 3, rule),
        )
        self.shortcut = Sequential(pool=AveragePool(2, 2), conv=Conv(channels, outputs, 1, [rule]))

    def forward(self, x: Array, step: Step) -> Array:
        y: Array = self.shortcut.forward(x, step) + self.body.forward(x, step)
        return y

    def backward(self, delta: Array, step: Step) -> Array:
        below: Array = self.shortcut.backward(delta, step) + self.body.backward(delta, step)
        return below


class NasBench201Network(Sequential):
    """Normalised images (N, 1, C, H, W), H and W divisible by 4, to logits (N, K). `cells`: in each of three stages."""

    def __init__(
        self,
        image_channels: int,
        size: tuple[int, int],
        classes: int,
        edges: Sequence[Edge],
        *,
        channels: int = 16,
        cells: int = 5,
        roles: Roles | None = None,
    ) -> None:
        if size[0] % 4 or size[1] % 4:
            raise UsageError(
                f"NAS-Bench-201's network halves images twice, these are {size[0]} x {size[1]}.",
                "Take images whose sides are divisible by 4.",
            )
        roles = roles or Roles()
        first = Conv(image_channels, channels, 3, [roles.stem])
        first.sends_error = False
        layers: dict[str, Layer] = {"stem": first, "norm": BatchNorm(channels)}
        for stage in range(3):
            if stage:
                layers[f"reduce{stage}"] = ReductionBlock(channels, 2 * channels, roles.reduce)
                channels *= 2
            layers |= {f"stage{stage}_cell{i}": Cell(edges, channels) for i in range(cells)}
        super().__init__(
            **layers,
            last=BatchNorm(channels, relu=True),
            pool=GlobalAverage(),
            classifier=Linear(channels, classes, [roles.classifier]),
        )
