"""Depthwise maps of one image, its channels on padded planes, for k = 3 or 5 and strides 1 and 2.

    correlate   y[r, c] = w[r, c] ∗ x[c]
    associate   G[r, c, a, b] += Σ_ij δ[r, c, i, j] · x[c, s·i + d·a, s·j + d·b]

x (C, floats) holds s · s planes a channel (see taps_cpu.py), each of rows of `pitch` floats, zero outside the image:
the zeros behind a row pad the next one too. y and δ (R, C, H · W) are flat without padding; their size is H × W."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from . import taps_cpu as taps
from .arrays import Array, Size
from .conv import Geometry
from .jit import in_order
from .tiles_cpu import WIDTH

ROWS, EIGHT = taps.ROWS, taps.EIGHT
ZERO = np.float32(0)


class Grid(NamedTuple):
    """Where images lie on planes: pixel (s·i + u, s·j + v), counted from `pad` before the image, is pixel (i, j) of
    plane (u, v); of s · s planes only the first `phases` · `phases` are kept."""

    H: int  # of the image
    W: int
    s: int
    phases: int
    pad: int
    pitch: int
    length: int  # floats of a plane

    @property
    def floats(self) -> int:
        """Of all planes of a channel."""
        return self.phases**2 * self.length


class Maps(NamedTuple):
    """How a depthwise product and what goes back through it run; H, W: of the output."""

    H: int
    W: int
    d: int  # from tap to tap on a plane
    x: Grid  # the input
    y: Grid  # the output's error, on its way back


@lru_cache(maxsize=256)
def plan(g: Geometry, size: Size) -> Maps | None:
    """None where vectors of sixteen pixels do not serve: other kernels and strides, and narrow images."""
    k, s, d, (H, W) = g.kernel, g.stride, g.dilation, size
    out = g.out_size(H), g.out_size(W)
    if k not in (3, 5) or s not in (1, 2) or g.padding != d * (k - 1) // 2 or (s == 2 and d not in (1, 2)):
        return None
    if out != (EIGHT, EIGHT) and (out[1] < WIDTH or out[0] < ROWS * d):
        return None
    if s == 2 and d == 1:  # every plane of the input has taps of its own
        p = g.padding
        return Maps(*out, 1, _grid(size, 2, 2, p, out, p, p), _grid(out, 1, 1, p // 2, out, 1, p))
    step, p = d // s, g.padding // s
    return Maps(*out, step, _grid(size, s, 1, g.padding, out, p, 2 * p), _grid(out, 1, 1, p, out, p, 2 * p))


def _grid(size: Size, s: int, phases: int, pad: int, plane: Size, right: int, below: int) -> Grid:
    """Planes for outputs of `plane`: `right` zeros behind each row, `below` rows more than the output has."""
    pitch = plane[1] + right
    return Grid(*size, s, phases, pad, pitch, apart((plane[0] + below) * pitch + right + 2 * WIDTH))


def apart(size: int) -> int:
    """Floats from one map of `size` to the next: an odd number of cache lines, or maps would share cache sets."""
    return WIDTH * (-(-size // WIDTH) | 1)


@in_order
def spread(image: Array, grid: Grid, plane: Array) -> None:
    """Copy an image (H·W,) onto its planes; what pads it is left as it is: zero."""
    H, W, s, phases, p, pitch, length = grid
    for u in range(phases):
        for v in range(phases):
            top, left = (max(0, p - u) + s - 1) // s, (max(0, p - v) + s - 1) // s
            x, y = s * top + u - p, s * left + v - p  # the first row, the first column
            rows, count = (H - x + s - 1) // s, (W - y + s - 1) // s
            source, to = image[x * W + y :], plane[(u * phases + v) * length + top * pitch + left :]
            vectors = count // EIGHT * EIGHT
            if s == 1:
                taps.gather(source, to, rows, vectors, W, pitch)
            else:
                taps.gather_by2(source, to, rows, vectors, s * W, pitch)
            for i in range(rows if vectors < count else 0):
                for j in range(vectors, count):
                    to[i * pitch + j] = source[i * s * W + s * j]


@in_order
def rectify(image: Array, a: np.float32, b: np.float32, grid: Grid, plane: Array) -> None:
    """The same of max(a · image + b, 0), for s = 1."""
    to, vectors = plane[grid.pad * (grid.pitch + 1) :], grid.W // EIGHT * EIGHT
    taps.gather_rectified(image, a, b, to, grid.H, vectors, grid.W, grid.pitch)
    for i in range(grid.H if vectors < grid.W else 0):
        for j in range(vectors, grid.W):
            v = a * image[i * grid.W + j] + b
            to[i * grid.pitch + j] = ZERO if v < ZERO else v


@in_order
def correlate(
    w: Array, x: Array, y: Array, grid: Grid, s: int, d: int, top: int | np.int64, H: int, W: int
) -> None:
    """H rows of y, from the row `top` of the whole on; s: 2 where x has four planes."""
    k, pitch, phase = w.shape[2], grid.pitch, grid.length
    if H == EIGHT and W == EIGHT:
        apart = (
            ROWS if d == 1 else 1
        )  # d = 1: the lower half beside the upper; d = 2: the odd rows beside the even
        down, wide, xs, ys = d * pitch, d * W, apart * pitch, apart * W
        if s == 2 and k == 3:
            taps.correlate3_by2_pairs(w, x, y, top * pitch, 0, phase, down, d, wide, xs, ys)
        elif s == 2:
            taps.correlate5_by2_pairs(w, x, y, top * pitch, 0, phase, down, d, wide, xs, ys)
        elif k == 3:
            taps.correlate3_pairs(w, x, y, top * pitch, 0, phase, down, d, wide, xs, ys)
        else:
            taps.correlate5_pairs(w, x, y, top * pitch, 0, phase, down, d, wide, xs, ys)
        return
    for first in range(d):
        at, to, down, wide, rows = (
            (top + first) * pitch,
            first * W,
            d * pitch,
            d * W,
            (H - first + d - 1) // d,
        )
        if s == 2 and k == 3:
            taps.correlate3_by2(w, x, y, at, to, phase, down, d, wide, rows, W)
        elif s == 2:
            taps.correlate5_by2(w, x, y, at, to, phase, down, d, wide, rows, W)
        elif k == 3:
            taps.correlate3(w, x, y, at, to, phase, down, d, wide, rows, W)
        else:
            taps.correlate5(w, x, y, at, to, phase, down, d, wide, rows, W)


@in_order
def associate(G: Array, x: Array, y: Array, grid: Grid, s: int, d: int, H: int, W: int) -> None:
    """Into G (R, C, k·k, 16), vectors to be added up."""
    k, pitch, phase = G.shape[2], grid.pitch, grid.length
    if H == EIGHT and W == EIGHT:
        apart = ROWS if d == 1 else 1
        down, wide, xs, ys = d * pitch, d * W, apart * pitch, apart * W
        if s == 2 and k == 9:
            taps.associate3_by2_pairs(G, x, y, 0, 0, phase, down, d, wide, xs, ys)
        elif s == 2:
            taps.associate5_by2_pairs(G, x, y, 0, 0, phase, down, d, wide, xs, ys)
        elif k == 9:
            taps.associate3_pairs(G, x, y, 0, 0, phase, down, d, wide, xs, ys)
        else:
            taps.associate5_pairs(G, x, y, 0, 0, phase, down, d, wide, xs, ys)
        return
    for first in range(d):
        at, to, down, wide, rows = first * pitch, first * W, d * pitch, d * W, (H - first + d - 1) // d
        if s == 2 and k == 9:
            taps.associate3_by2(G, x, y, at, to, phase, down, d, wide, rows, W)
        elif s == 2:
            taps.associate5_by2(G, x, y, at, to, phase, down, d, wide, rows, W)
        elif k == 9:
            taps.associate3(G, x, y, at, to, phase, down, d, wide, rows, W)
        else:
            taps.associate5(G, x, y, at, to, phase, down, d, wide, rows, W)
