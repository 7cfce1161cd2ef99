"""The CUDA twin of half.py: forward in two launches; backward in five and their sums, storing only δh between them."""

from ..cuda.arrays import contiguous, empty
from ..cuda.launch import THREADS, blocks, kernels, whole_warps
from .arrays import Array, Shape, array_module
from .conv import Geometry, check
from .half import POINT, Below, Norm, Upstream
from .pairs_cuda import STRIP, Grid, pair_parts, pairs, strips
from .slabs_cuda import cut, reduced

ROWS, COLS, STEP = 64, 128, 32  # a tile's sides in half.cu
ENOUGH = 2048  # blocks that fill any device


def forward(
    x: Array, D: Array, P: Array, g: Geometry, norm: Norm | None = None
) -> tuple[Array, Array, Array]:
    """As half.forward."""
    s = _Sizes(x.shape, D.shape, P.shape, g, norm)
    y, mean, variance = (empty(x, shape) for shape in ((s.N, s.R, s.O, *s.out), (s.R, s.O), (s.R, s.O)))
    tiles = blocks(s.columns, COLS)
    parts = array_module(x).empty((tiles, s.R, s.O, 2), "f8")
    a, b, _ = _coefficients(norm, D)
    kernels("half").forward(
        (blocks(s.O, ROWS) * tiles, s.R), THREADS, y, parts, contiguous(x), a, b, contiguous(D),
        contiguous(P), norm is not None, s.N, s.L, s.R, s.C, s.O, *s.size, *s.out, *s.window,
    )  # fmt: skip
    kernels("half").merge(
        s.R * s.O, whole_warps(tiles), mean, variance, parts, tiles, s.R * s.O, s.columns
    )  # fmt: skip
    return y, mean, variance


def backward(
    up: Upstream,
    x: Array,
    D: Array,
    Db: Array,
    Pb: Array,
    g: Geometry,
    norm: Norm | None = None,
    into: Array | None = None,
    learn: bool = True,
) -> Below:
    """As half.backward."""
    s = _Sizes(x.shape, D.shape, Pb.shape, g, norm)
    errors = _errors(up, s)
    x, D, Db, Pb = (contiguous(v) for v in (x, D, Db, Pb))
    lanes = errors[0].shape[1]
    hidden, grid = empty(x, (s.N, s.R, s.C, *s.out)), blocks(s.C, ROWS) * blocks(s.columns, COLS)
    sizes = (s.N, lanes, s.R, s.C, s.O, s.out[0] * s.out[1])
    kernels("half").backward_point((grid, s.R), THREADS, hidden, *errors, Pb, *sizes)
    dP = _point_outer(errors, x, D, g, norm, s, lanes) if learn else None
    dD = _depth_outer(hidden, x, D, norm, s) if learn else None
    if norm is not None:
        return Below(dD, dP, *_below(hidden, x, Db, norm, s))
    if into is not None:
        target = contiguous(into)
        kernels("half").backward_into(
            *s.planes(s.L), target, hidden, Db, s.N, s.L, s.R, s.C, *s.size, *s.out, *s.window
        )
        if target is not into:
            into[...] = target
    return Below(dD, dP, None, None, None)


class _Sizes:
    """The letters of the kernel text. Raises ValueError where shapes do not fit."""

    def __init__(self, x: Shape, D: Shape, P: Shape, g: Geometry, norm: Norm | None) -> None:
        self.N, self.L, self.C, *size = x
        self.R, self.O = P[:2]
        self.size, self.window = (size[0], size[1]), (g.kernel, g.stride, g.padding, g.dilation)
        self.out = g.out_size(size[0]), g.out_size(size[1])
        self.columns = self.N * self.out[0] * self.out[1]
        if D[:3] != (self.R, self.C, 1) or g.groups != self.C or g.kernel > 32:
            raise ValueError(f"half: D is {D}, expected {(self.R, self.C, 1, g.kernel, g.kernel)}, k ≤ 32.")
        check(x, D, None, g)
        check((self.N, self.R, self.C, *self.out), P, None, POINT)
        if norm is not None and (self.L != self.R or any(v.shape != (self.R, self.C) for v in norm)):
            raise ValueError(
                f"half: a, b and mean must be {(self.R, self.C)}, and x must have {self.R} lanes."
            )
        if max(self.columns, self.N * size[0] * size[1]) >= 2**31 - COLS:
            raise ValueError(
                f"half: x {x} has N·H·W past 2³¹, which the kernels count to. Use a smaller batch."
            )

    def planes(self, lanes: int) -> Grid:
        """The grid and block of a warp a strip of x's planes."""
        return strips(self.N * lanes * self.C, self.size[0] * self.size[1])


def _errors(up: Upstream, s: _Sizes) -> tuple[Array, ...]:
    shape = (s.N, s.R, s.O, *s.out)
    if up.y.shape != shape or up.g.shape not in (shape, (s.N, 1, *shape[2:])):
        raise ValueError(f"half: y is {up.y.shape} and g {up.g.shape}; expected {shape}.")
    coefficients = (array_module(up.y).broadcast_to(v, (s.R, s.O)) for v in up[2:])
    return tuple(contiguous(v) for v in (up.g, up.y, *coefficients))


def _point_outer(
    errors: tuple[Array, ...], x: Array, D: Array, g: Geometry, norm: Norm | None, s: _Sizes, lanes: int
) -> Array:
    tiles = blocks(s.O, ROWS) * blocks(s.C, ROWS)
    count, slab = cut(s.columns, ENOUGH // (tiles * s.R), least=16 * STEP)
    parts, (a, b, _) = empty(x, (count, s.R, s.O, s.C, 1, 1)), _coefficients(norm, D)
    kernels("half").backward_point_outer(
        (tiles, s.R, count), THREADS, parts, *errors, x, a, b, D, norm is not None,
        s.N, lanes, s.L, s.R, s.C, s.O, *s.size, *s.out, *s.window, slab,
    )  # fmt: skip
    return reduced("half", parts)


def _depth_outer(hidden: Array, x: Array, D: Array, norm: Norm | None, s: _Sizes) -> Array:
    count, slab = cut(s.N, ENOUGH // (s.R * s.C), least=max(1, 2 * STRIP * s.N // s.columns))
    parts, (a, b, _) = empty(x, (count, *D.shape)), _coefficients(norm, D)
    kernels("half").backward_depth_outer(
        (s.R * s.C, count), (32, s.window[0]), parts, hidden, x, a, b, norm is not None,
        s.N, s.L, s.R, s.C, *s.size, *s.out, *s.window, slab,
    )  # fmt: skip
    return reduced("half", parts)


def _below(hidden: Array, x: Array, Db: Array, norm: Norm, s: _Sizes) -> tuple[Array, Array, Array]:
    grid, block = s.planes(s.R)
    below, parts = empty(x, x.shape), pair_parts(x, (grid, block))
    coefficients = (contiguous(v) for v in norm)
    kernels("half").backward_below(
        grid, block, below, parts, hidden, x, *coefficients, Db, s.N, s.R, s.C, *s.size, *s.out, *s.window
    )
    return below, *pairs("half", parts, x)


def _coefficients(norm: Norm | None, D: Array) -> tuple[Array, Array, Array]:
    """a, b and mean; without a norm D stands there, and is not read."""
    a, b, mean = (contiguous(v) for v in norm) if norm is not None else (contiguous(D),) * 3
    return a, b, mean
