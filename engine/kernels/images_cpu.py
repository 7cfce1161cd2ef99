"""Depthwise maps of one image, its channels on padded planes, for k = 3 or 5 and strides 1 and 2.

    correlate   y[c] = w[c] ∗ x[c]               associate   G[c, a, b] += Σ_ij δ[c, i, j] · x[c, s·i + d·a, s·j + d·b]

x (C, floats) holds s · s planes a channel (see taps_cpu.py), each of rows of `pitch` floats, zero outside the image:
the zeros behind a row pad the next one too. y and δ (C, H · W) are flat without padding; their size is H × W."""

from typing import NamedTuple

import numpy as np

from . import taps_cpu as taps
from .arrays import Array, Size
from .conv import Geometry
from .jit import in_order
from .tiles_cpu import WIDTH

ROWS, EIGHT = taps.ROWS, taps.EIGHT


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
    back: int  # k of the kernels that take it back, one a plane of the input


def plan(g: Geometry, size: Size) -> Maps | None:
    """None where vectors of sixteen pixels do not serve: other kernels and strides, and narrow images."""
    k, s, d, (H, W) = g.kernel, g.stride, g.dilation, size
    out = g.out_size(H), g.out_size(W)
    if k not in (3, 5) or s not in (1, 2) or g.padding != d * (k - 1) // 2 or (s == 2 and d not in (1, 2)):
        return None
    if out != (EIGHT, EIGHT) and (out[1] < WIDTH or out[0] < ROWS * d):
        return None
    if s == 2 and d == 1:  # every plane of the input has taps of its own
        reach, back = (k - 1) // 2, (k + 1) // 2
        return Maps(
            *out,
            1,
            _grid(size, 2, 2, g.padding, out, reach, reach),
            _grid(out, 1, 1, reach // 2, out, 1, reach),
            back,
        )
    step, p = d // s, g.padding // s
    return Maps(
        *out, step, _grid(size, s, 1, g.padding, out, p, 2 * p), _grid(out, 1, 1, p, out, p, 2 * p), k
    )


def _grid(size: Size, s: int, phases: int, pad: int, plane: Size, right: int, below: int) -> Grid:
    """Planes for outputs of `plane`: `right` zeros behind each row, `below` rows more than the output has."""
    pitch = plane[1] + right
    lines = ((plane[0] + below) * pitch + right + WIDTH) // WIDTH + 1
    # whole cache lines, an odd number of them, or planes would share cache sets
    return Grid(*size, s, phases, pad, pitch, WIDTH * (lines + 1 - lines % 2))


def back_weights(Db: Array, m: Maps) -> Array:
    """(R, phases², C, k, k) of Db (R, C, k, k): what takes the error back to each plane of the input.

    e[s·i + u] = Σ_t Db[u + p − s·t] · δ[i + t] in either direction, t from where the error's plane is padded."""
    R, C, k, _ = Db.shape
    if m.x.phases == 1:
        return np.ascontiguousarray(Db[:, None, :, ::-1, ::-1])
    found = np.zeros((R, 4, C, m.back, m.back), np.float32)
    taps_of = [[u + m.x.pad - 2 * (t - m.y.pad) for t in range(m.back)] for u in range(2)]
    for u, down in enumerate(taps_of):
        for v, right in enumerate(taps_of):
            for p, a in enumerate(down):
                for q, b in enumerate(right):
                    if 0 <= a < k and 0 <= b < k:
                        found[:, 2 * u + v, :, p, q] = Db[:, :, a, b]
    return found


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
def weave(planes: Array, c: int, maps: Maps, nothing: Array, image: Array) -> None:
    """The inverse for s = 2: an image (H·W,) from what came back of channel c, (phases², C, h·w).

    nothing: zeros of one channel, for what lies between where one plane is all."""
    H, W, wide = maps.x.H, maps.x.W, maps.W
    vectors = W // 2 // EIGHT * EIGHT
    for u in range(2):
        even = odd = nothing
        if maps.x.phases == 2:
            even, odd = planes[2 * u, c], planes[2 * u + 1, c]
        elif u == 0:
            even = planes[0, c]
        to, rows = image[u * W :], (H - u + 1) // 2
        taps.interleave(even, odd, to, rows, vectors, wide, 2 * W)
        for i in range(rows if 2 * vectors < W else 0):
            for j in range(2 * vectors, W):
                to[2 * i * W + j] = odd[i * wide + j // 2] if j % 2 else even[i * wide + j // 2]


@in_order
def correlate(
    w: Array, x: Array, y: Array, grid: Grid, s: int, d: int, top: int | np.int64, H: int, W: int
) -> None:
    """H rows of y, from the row `top` of the whole on; s: 2 where x has four planes."""
    k, pitch, phase = w.shape[1], grid.pitch, grid.length
    if H == EIGHT and W == EIGHT:
        apart = (
            ROWS if d == 1 else 1
        )  # d = 1: the lower half beside the upper; d = 2: the odd rows beside the even
        down, wide, xs, ys = d * pitch, d * W, apart * pitch, apart * W
        if s == 2 and k == 3:
            taps.correlate3_by2_pairs(w, x, y, top * pitch, 0, phase, down, d, wide, xs, ys)
        elif s == 2:
            taps.correlate5_by2_pairs(w, x, y, top * pitch, 0, phase, down, d, wide, xs, ys)
        elif k == 2:
            taps.correlate2_pairs(w, x, y, top * pitch, 0, phase, down, d, wide, xs, ys)
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
        elif k == 2:
            taps.correlate2(w, x, y, at, to, phase, down, d, wide, rows, W)
        elif k == 3:
            taps.correlate3(w, x, y, at, to, phase, down, d, wide, rows, W)
        else:
            taps.correlate5(w, x, y, at, to, phase, down, d, wide, rows, W)


@in_order
def associate(G: Array, x: Array, y: Array, grid: Grid, s: int, d: int, H: int, W: int) -> None:
    """Into G (C, k·k, 16), lane by lane."""
    k, pitch, phase = G.shape[1], grid.pitch, grid.length
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
