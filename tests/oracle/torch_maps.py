"""The two kinds of weighted maps: a convolution, and a linear map with its bias."""

from torch_rules import Rules, Tensor, torch
from torch_synapse import Synapse

F = torch.nn.functional


class Conv(Synapse):
    """A convolution; padding keeps the size at stride 1 unless it is given."""

    def __init__(
        self,
        channels: int,
        outputs: int,
        kernel: int,
        rules: Rules,
        *,
        stride: int = 1,
        padding: int | None = None,
        dilation: int = 1,
        groups: int = 1,
    ) -> None:
        super().__init__((outputs, channels // groups, kernel, kernel), groups, rules)
        padding = dilation * (kernel // 2) if padding is None else padding
        self.kernel = kernel
        self.geometry = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}

    def push(self, x: Tensor, M: Tensor) -> Tensor:
        return F.conv2d(x, M, **self.geometry)

    def pull(self, x: Tensor, M: Tensor, delta: Tensor) -> Tensor:
        return torch.nn.grad.conv2d_input(x.shape, M, delta, **self.geometry)

    def outer(self, x: Tensor, M: Tensor, delta: Tensor) -> Tensor:
        return torch.nn.grad.conv2d_weight(x, M.shape, delta, **self.geometry)

    def patches(self, x: Tensor) -> Tensor:
        form = {name: self.geometry[name] for name in ("stride", "padding", "dilation")}
        columns = F.unfold(x, self.kernel, **form).unflatten(1, (self.groups, -1))  # (N, G, D, positions)
        return columns.permute(1, 0, 3, 2).flatten(1, 2)


class Linear(Synapse):
    """y = W x + b."""

    def __init__(self, inputs: int, outputs: int, rules: Rules) -> None:
        super().__init__((outputs, inputs), 1, rules)
        self.bias = torch.nn.Parameter(torch.empty(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + self.bias

    def push(self, x: Tensor, M: Tensor) -> Tensor:
        return F.linear(x, M)

    def pull(self, x: Tensor, M: Tensor, delta: Tensor) -> Tensor:
        return delta @ M

    def outer(self, x: Tensor, M: Tensor, delta: Tensor) -> Tensor:
        return delta.T @ x

    def patches(self, x: Tensor) -> Tensor:
        return x[None]
