"""Convolution: dense, depthwise, dilated, strided, grouped and pointwise, with R lanes."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..engine.backend import Array, array_module
from ..engine.errors import UsageError
from ..engine.kernels import association, conv
from ..engine.kernels.conv import Geometry
from ..engine.maps import UnitMaps
from ..engine.rule import Rule
from .synapse import Synapse


@dataclass(frozen=True)
class ConvMaps(UnitMaps):
    """The linear maps of a convolution on inputs (N, L, C, H, W): L = R lanes, or one that all lanes share.

    Arrays without the lane axis, x (N, C, H, W) and M (O, C/groups, k, k), are accepted as well: rules use them.
    """

    geometry: Geometry
    size: tuple[int, int]
    shared: bool

    @property
    def groups(self) -> int:
        return self.geometry.groups

    @property
    def apart(self) -> bool:
        return self.geometry.kernel == 1 and self.geometry.padding == 0

    def push(self, x: Array, M: Array) -> Array:
        """M x: (N, R, O, Ho, Wo)."""
        if M.ndim == 4:
            return conv.push(x[:, None], M[None], self.geometry)[:, 0]
        return conv.push(x, M, self.geometry)

    def pull(self, delta: Array, M: Array) -> Array:
        """Mᵀ δ: (N, L, C, H, W), summed over the lanes that share an input."""
        if M.ndim == 4:
            return conv.pull(delta[:, None], M[None], self.geometry, self.size)[:, 0]
        return conv.pull(delta, M, self.geometry, self.size, shared=self.shared)

    def outer(self, post: Array, pre: Array) -> Array:
        """post ⊗ pre: (R, O, C/groups, k, k), summed over samples and positions."""
        if post.ndim == 4:
            gradient: Array = conv.outer(post[:, None], pre[:, None], self.geometry)[0]
            return gradient
        return conv.outer(post, pre, self.geometry)

    def associate(self, y: Array, x: Array, W: Array, a: float) -> Array:
        """a Σ ŷ ⊗ x̂: (O, C/groups, k, k)."""
        return association.patches(y, x, W, self.geometry, a)

    def energy(self, x: Array, W: Array) -> Array:
        """‖x‖² of the patch below each output: (N, O, Ho, Wo). Padding counts as zeros."""
        sums = association.energy(x, W, self.geometry)
        N, groups, *size = sums.shape
        spread: Array = array_module(x).broadcast_to(sums[:, :, None], (N, groups, len(W) // groups, *size))
        return spread.reshape(N, len(W), *size)  # no copy where all units see the same


class Conv(Synapse):
    """y = W x, W (O, C/groups, k, k) a lane, x (N, L, C, H, W), y (N, R, O, Ho, Wo). No bias: a norm follows.

    Padding keeps the size at stride 1 unless it is given.
    """

    def __init__(
        self,
        channels: int,
        outputs: int,
        kernel: int,
        rules: Sequence[Rule],
        *,
        stride: int = 1,
        padding: int | None = None,
        dilation: int = 1,
        groups: int = 1,
    ) -> None:
        super().__init__((outputs, channels // groups, kernel, kernel), rules, groups)
        padding = dilation * (kernel - 1) // 2 if padding is None else padding
        self.channels, self.outputs = channels, outputs
        self.geometry = Geometry(kernel, stride, padding, dilation, groups)

    def maps(self, x: Array) -> ConvMaps:
        if x.ndim != 5 or x.shape[1] not in (1, self.lanes) or x.shape[2] != self.channels:
            raise UsageError(
                f'conv "{self.name}": the input is {x.shape}, expected (N, 1 or {self.lanes}, {self.channels}, H, W).'
            )
        return ConvMaps(self.geometry, (x.shape[3], x.shape[4]), x.shape[1] < self.lanes)
