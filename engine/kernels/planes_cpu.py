"""Zero-gapped planes: the layout in which every tap of a window is a constant shift.

One channel's image is copied into rows of `pitch` floats. The zeros behind a row are its right padding and
the left padding of the next row; the zero rows below an image are its padding and that of the image stacked
under it. So x[s·i + d·t − p] of any position i and tap t lies at i + shift(t) of the flat plane, and a
convolution is a few long loops over i: the shape that compilers vectorise best, for any size. Outputs in the
gaps are never read. With stride s there is one plane for each phase (row mod s, column mod s) of the padded
image.

Nothing leaks through the shared gaps: a tap that runs past a row's end by j columns stays within the padded
image, so s·j < p, and the columns it meets at the next row's start are that row's padding. Likewise rows.
"""

from typing import NamedTuple

import numpy as np

from .arrays import Array, Size
from .conv import Geometry
from .jit import jit

Frame = tuple[int, int, int, int, int, int]
Layout = tuple[int, int, int, int]


class Planes(NamedTuple):
    """The layout of one convolution's input; see `planes`."""

    stack: int  # images below each other in a plane
    rows: int  # from one image to the next
    pitch: int  # from one row to the next
    phases: int  # in each direction
    reach: int  # the largest shift of a tap
    length: int  # floats of a plane, and from one phase to the next
    size: Size
    out: Size
    g: Geometry

    @property
    def frame(self) -> Frame:
        """How an image lies in its phases, for `fill` and `take`."""
        return (*self.size, self.g.stride, self.g.padding, self.phases, self.length)

    @property
    def flat(self) -> Frame:
        """How an output lies in a plane, for `fill` and `take`."""
        return (*self.out, 1, 0, 1, 0)

    @property
    def layout(self) -> Layout:
        """Images in a plane; floats from one image to the next, from row to row, from plane to plane."""
        return self.stack, self.rows * self.pitch, self.pitch, self.length

    def taps(self) -> Array:
        """(k·k,) where each tap lies in the phases of a channel, unsigned."""
        shifts = self.shifts()
        places = [
            (p * self.phases + q) * self.length + i * self.pitch + j for p, i in shifts for q, j in shifts
        ]
        return np.array(places, np.uint64)

    def shifts(self) -> list[tuple[int, int]]:
        """The phase and the shift of the k taps in one direction."""
        s, d = self.g.stride, self.g.dilation
        return [(a * d % s, a * d // s) for a in range(self.g.kernel)]


def planes(g: Geometry, size: Size, count: int, floats: int) -> Planes:
    """The layout for `count` images of `size`; small images are stacked until a plane has about `floats`."""
    out = g.out_size(size[0]), g.out_size(size[1])
    rows, pitch = (max(o, -(-(n + g.padding) // g.stride)) for o, n in zip(out, size, strict=True))
    stack = max(1, min(floats // (rows * pitch), count))
    reach = (g.kernel - 1) * g.dilation // g.stride * (pitch + 1)
    lines = (stack * rows * pitch + reach) // 16 + 1
    length = 16 * (lines + 1 - lines % 2)  # an odd number of cache lines, or planes would share cache sets
    phases = 1 if g.kernel == 1 or g.dilation % g.stride == 0 else g.stride
    return Planes(stack, rows, pitch, phases, reach, length, size, out, g)


@jit
def fill(image: Array, frame: Frame, pitch: int, start: int, plane: Array) -> None:
    """Copy the rows of an image into its phases; what lies between them is left as it is."""
    H, W, s, p, phases, length = frame
    for v in range(phases):
        top = (max(0, p - v) + s - 1) // s  # the first row of this phase that is no padding
        y = top * s + v - p
        for q in range(phases):
            left = (max(0, p - q) + s - 1) // s
            x = left * s + q - p
            area = (max(0, (H - y + s - 1) // s), max(0, (W - x + s - 1) // s))
            place = start + (v * phases + q) * length + top * pitch + left
            _copy(image, y * W + x, s * W, s, plane, place, pitch, 1, area)


@jit
def take(plane: Array, frame: Frame, pitch: int, start: int, image: Array) -> None:
    """The inverse of `fill`: gather an image's rows from its phases."""
    H, W, s, p, phases, length = frame
    for v in range(phases):
        top = (max(0, p - v) + s - 1) // s
        y = top * s + v - p
        for q in range(phases):
            left = (max(0, p - q) + s - 1) // s
            x = left * s + q - p
            area = (max(0, (H - y + s - 1) // s), max(0, (W - x + s - 1) // s))
            place = start + (v * phases + q) * length + top * pitch + left
            _copy(plane, place, pitch, 1, image, y * W + x, s * W, s, area)


@jit
def _copy(
    x: Array, source: int, x_row: int, x_step: int,
    out: Array, target: int, out_row: int, out_step: int, area: Size,
) -> None:  # fmt: skip
    """A rectangle of x to `out`."""
    # unsigned indices need no check for negative ones, which would stop the vectoriser
    a, b, rows, cols = np.uint64(source), np.uint64(target), np.uint64(area[0]), np.uint64(area[1])
    for _ in range(rows):
        for i in range(cols):
            out[b + i * np.uint64(out_step)] = x[a + i * np.uint64(x_step)]
        a += np.uint64(x_row)
        b += np.uint64(out_row)


def offsets(values: list[int]) -> Array:
    """Unsigned shifts, for the same reason as in `_copy`."""
    return np.array(values, np.uint64)
