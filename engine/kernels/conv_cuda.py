"""The CUDA twin of conv.py: depthwise convolutions plane by plane, all others as a tiled product of matrices."""

from ..cuda.arrays import contiguous, empty
from ..cuda.launch import blocks, kernels
from .arrays import Array, Shape, Size
from .conv import Geometry, check
from .pairs_cuda import STRIP, Grid, strips
from .slabs_cuda import cut, reduced

ROWS, COLS, SIDE = 16, 128, 32  # a tile's sides in conv.cu
ENOUGH = 2048  # blocks that fill any device


def push(x: Array, M: Array, g: Geometry) -> Array:
    """As conv.push."""
    check(x.shape, M.shape, None, g)
    y = empty(x, (x.shape[0], *M.shape[:2], *(g.out_size(n) for n in x.shape[3:])))
    s = _Sizes(x.shape, M.shape, y.shape, g)
    x, M = contiguous(x), contiguous(M)
    if s.depthwise:
        kernels("conv").depthwise_push(*s.planes(y), y, x, M, *s.listed)
    else:
        kernels("conv").dense_push(s.tiles(s.O, s.outputs, s.R), COLS, y, x, M, *s.listed)
    return y


def pull(delta: Array, M: Array, g: Geometry, size: Size, shared: bool = False) -> Array:
    """As conv.pull."""
    dx = empty(delta, (len(delta), 1 if shared else len(M), M.shape[2] * g.groups, *size))
    check(dx.shape, M.shape, delta.shape, g)
    s = _Sizes(dx.shape, M.shape, delta.shape, g)
    delta, M = contiguous(delta), contiguous(M)
    if s.depthwise:
        kernels("conv").depthwise_pull(*s.planes(dx), dx, delta, M, *s.listed)
    else:
        kernels("conv").dense_pull(s.tiles(s.C, s.inputs, s.L), COLS, dx, delta, M, *s.listed)
    return dx


def outer(delta: Array, x: Array, g: Geometry) -> Array:
    """As conv.outer."""
    gradient = (*delta.shape[1:3], x.shape[2] // g.groups, g.kernel, g.kernel)
    check(x.shape, gradient, delta.shape, g)
    s = _Sizes(x.shape, gradient, delta.shape, g)
    delta, x = contiguous(delta), contiguous(x)
    if s.depthwise:
        count, slab = cut(s.N, ENOUGH // (s.R * s.O), least=max(1, 2 * STRIP * s.N // s.outputs))
        parts = empty(x, (count, *gradient))
        grid, block = (s.R * s.O, count), (32, g.kernel)
        kernels("conv").depthwise_outer(grid, block, parts, delta, x, *s.listed, slab)
        return reduced("conv", parts)
    tiles = blocks(s.O, SIDE) * blocks(s.C * g.kernel**2, SIDE)
    count, slab = cut(s.outputs, ENOUGH // (tiles * s.R * s.G), least=16 * SIDE)
    parts = empty(x, (count, *gradient))
    kernels("conv").dense_outer((tiles, s.R * s.G, count), 4 * SIDE, parts, delta, x, *s.listed, slab)
    return reduced("conv", parts)


class _Sizes:
    """The letters of the kernel texts: C and O are the channels of one group, or of all where depthwise."""

    def __init__(self, x: Shape, M: Shape, y: Shape, g: Geometry) -> None:
        self.N, self.L, channels, H, W = x
        self.R, outputs, self.G = *M[:2], g.groups
        self.inputs, self.outputs = self.N * H * W, self.N * y[3] * y[4]
        if max(self.inputs, self.outputs) >= 2**31 - COLS:
            raise ValueError(f"x {x}: N·H·W passes 2³¹, which the kernels count to. Use a smaller batch.")
        self.depthwise = M[2] == 1 and self.G > 1 and g.kernel <= 32
        groups = 1 if self.depthwise else self.G
        self.C, self.O = channels // groups, outputs // groups
        lanes: tuple[int, ...] = (self.N, self.L, self.R)
        lanes = lanes if self.depthwise else (*lanes, self.G)
        window = (g.kernel, g.stride, g.padding, g.dilation)
        self.listed = (*lanes, self.C, self.O, H, W, *y[3:], *window)

    def tiles(self, rows: int, columns: int, lanes: int) -> tuple[int, int]:
        """The grid of one product a lane and group."""
        return blocks(rows, ROWS) * blocks(columns, COLS), lanes * self.G

    def planes(self, result: Array) -> Grid:
        """The grid and block of a warp a strip of `result`'s planes."""
        size = result.shape[3] * result.shape[4]
        return strips(result.size // size, size)
