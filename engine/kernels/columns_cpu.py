"""The layout in which every tap of a dense convolution is a constant shift and no output is computed in vain.

For each column of the kernel one copy of the image is made, moved by that column's place and cut to the width
of the outputs, with zeros where it reaches beyond the image; with stride s only every s-th pixel is copied, and
rows are split by their phase. Rows follow each other without gaps, so that a tap in another row is a shift by
whole rows, and outputs come out as they lie in memory:

    copy[g, b][r, j] = image[s·r + top[g], s·j + left[b]]
"""

from typing import NamedTuple

import numpy as np

from .arrays import Array, Size
from .jit import jit
from .taps_cpu import EIGHT, gather, gather_by2
from .tiles_cpu import WIDTH

SLACK = 16  # floats behind the copies: the last vector reads beyond them

Frame = tuple[int, int, int, int, int, int]


class Columns(NamedTuple):
    """The copies of an image, for one geometry and size; see `columns`."""

    top: Array  # (G,)
    left: Array  # (B,)
    frame: Frame  # H, W, s; rows and width of a copy; floats from one copy to the next
    length: int  # floats of one channel
    taps: Array  # (k·k,) where each tap begins, column by column of the kernel


def columns(rows: list[int], cols: list[int], step: int, size: Size, out: Size) -> Columns:
    """The layout for outputs (i, j) that read image[step·i + rows[a], step·j + cols[b]] at tap (a, b)."""
    phases, left = sorted({r % step for r in rows}), sorted(set(cols))
    top = [min(r for r in rows if r % step == phase) for phase in phases]
    group = [phases.index(r % step) for r in rows]
    down = [(r - top[q]) // step for r, q in zip(rows, group, strict=True)]
    lines = out[0] + max(down)
    plane = lines * out[1]
    taps = [
        (q * len(left) + left.index(c)) * plane + i * out[1]
        for c in cols
        for i, q in zip(down, group, strict=True)
    ]
    cache_lines = -(-(len(top) * len(left) * plane + SLACK) // 16)
    length = 16 * (cache_lines + 1 - cache_lines % 2)  # an odd number, or channels would share cache sets
    frame = (*size, step, lines, out[1], plane)
    return Columns(np.array(top), np.array(left), frame, length, np.array(taps))


def unfolded(offsets: list[int], step: int, size: Size, out: Size) -> Columns:
    """A copy for every tap (a, b), row by row of the kernel: outputs (i, j) read image[step·i + offsets[a], step·j +
    offsets[b]]. Each is as long as whole vectors; the channels follow one another without a gap."""
    plane, count = -(-out[0] * out[1] // WIDTH) * WIDTH, len(offsets) ** 2
    places = np.array(offsets)
    return Columns(places, places, (*size, step, *out, plane), count * plane, np.arange(count) * plane)


@jit
def fill(image: Array, top: Array, left: Array, frame: Frame, out: Array) -> None:
    """Make the copies of one image (H·W,) in `out`; what is beyond the image stays as it is: zero."""
    H, W, step, rows, width, plane = frame
    for g in range(top.size):
        first, last = _inside(top[g], step, H, rows)
        for b in range(left.size):
            start, end = _inside(left[b], step, W, width)
            to = (g * left.size + b) * plane + first * width
            at = (step * first + top[g]) * W + left[b]
            if step == 1 and width == W:
                _shift(image, at, out, to, (last - first) * W)
                _clear(out, to, last - first, width, 0, start)
                _clear(out, to, last - first, width, end, width)
            elif first < last and start < end:
                _rows(
                    image[at + step * start :], out[to + start :], last - first, end - start, step, W, width
                )


@jit
def _inside(offset: int, step: int, size: int, count: int) -> Size:
    """The i of [0, count) with 0 ≤ step·i + offset < size, as [first, last)."""
    first = max(0, (step - 1 - offset) // step)
    return first, max(first, min(count, (size - offset + step - 1) // step))


@jit
def _shift(image: Array, at: int, out: Array, to: int, count: int) -> None:
    """out[to + i] = image[at + i] for i in [0, count), as far as the image goes."""
    before, after = max(0, -at), max(0, at + count - image.size)
    _pick(image, at + before, out, to + before, count - before - after)


@jit
def _rows(image: Array, out: Array, rows: int, count: int, step: int, W: int, width: int) -> None:
    """out[width·r + i] = image[step·(W·r + i)], r < rows, i < count; whole vectors at once, the last over others."""
    whole = count // EIGHT * EIGHT if step <= 2 else 0
    back = count - EIGHT if 0 < whole < count else 0
    if step == 1:
        gather(image, out, rows, whole, W, width)
        if back:
            gather(image[back:], out[back:], rows, EIGHT, W, width)
    elif step == 2:
        gather_by2(image, out, rows, whole, 2 * W, width)
        if back:
            gather_by2(image[2 * back :], out[back:], rows, EIGHT, 2 * W, width)
    if not whole:
        for r in range(rows):
            for i in range(count):
                out[r * width + i] = image[step * (r * W + i)]


@jit
def _pick(image: Array, at: int, out: Array, to: int, count: int) -> None:
    # unsigned indices need no check for negative ones, which would stop the vectoriser
    a, b = np.uint64(at), np.uint64(to)
    for i in range(np.uint64(max(0, count))):
        out[b + i] = image[a + i]


@jit
def _clear(out: Array, to: int, rows: int, width: int, first: int, last: int) -> None:
    for j in range(first, last):
        place = np.uint64(to + j)
        for _ in range(rows):
            out[place] = 0
            place += np.uint64(width)
