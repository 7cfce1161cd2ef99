"""PyTorch, and the maps of its models: convolutions and products that send the error through fixed weights B.

Every map is a function of tensors, so that torch.compile may take any of them as a region.
"""

from importlib import import_module
from typing import Any

torch: Any = import_module("torch")
F: Any = torch.nn.functional
Tensor = Any
Pair = tuple[Tensor, Tensor | None]  # W, and B (None: the error goes through W)
EPSILON = 1e-5


class Transport(torch.autograd.Function):  # type: ignore[misc]  # PyTorch may be absent where types are checked
    """y = W x, the update δ ⊗ x as ever; to x goes Bᵀδ."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, W: Tensor, B: Tensor, geometry: tuple[int, int, int, int]) -> Tensor:
        ctx.save_for_backward(x, B)
        ctx.geometry = geometry
        return F.conv2d(x, W, None, *geometry)

    @staticmethod
    def backward(ctx: Any, delta: Tensor) -> tuple[Tensor | None, Tensor, None, None]:
        x, B = ctx.saved_tensors
        stride, padding, dilation, groups = ctx.geometry
        form = [stride] * 2, [padding] * 2, [dilation] * 2, False, [0, 0], groups
        wanted = [ctx.needs_input_grad[0], True, False]
        below, dW, _ = torch.ops.aten.convolution_backward(delta, x, B, None, *form, wanted)
        return below, dW, None, None


class TransportLinear(torch.autograd.Function):  # type: ignore[misc]  # likewise
    """The same for a product of matrices."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, W: Tensor, B: Tensor) -> Tensor:
        ctx.save_for_backward(x, B)
        return F.linear(x, W)

    @staticmethod
    def backward(ctx: Any, delta: Tensor) -> tuple[Tensor, Tensor, None]:
        x, B = ctx.saved_tensors
        return delta @ B, delta.T @ x, None


def conv(x: Tensor, pair: Pair, stride: int = 1, dilation: int = 1, padding: int | None = None) -> Tensor:
    """Depthwise where W has one input channel and x several; padding keeps the size unless it is given."""
    W, B = pair
    padding = dilation * (W.shape[-1] // 2) if padding is None else padding
    geometry = stride, padding, dilation, x.shape[1] // W.shape[1]
    return F.conv2d(x, W, None, *geometry) if B is None else Transport.apply(x, W, B, geometry)


def linear(x: Tensor, pair: Pair, bias: Tensor) -> Tensor:
    W, B = pair
    return F.linear(x, W, bias) if B is None else TransportLinear.apply(x, W, B) + bias


def norm(x: Tensor, affine: tuple[Tensor, ...] = ()) -> Tensor:
    """Batch norm on the batch's statistics. affine: gamma, beta, and the running mean and variance that follow."""
    if not affine:
        return F.batch_norm(x, None, None, None, None, True, 0.1, EPSILON)
    gamma, beta, mean, variance = affine
    return F.batch_norm(x, mean, variance, gamma, beta, True, 0.1, EPSILON)


def relu_(x: Tensor) -> Tensor:
    """In place: a batch norm's backward reads its input, not its output."""
    return F.relu(x, inplace=True)
