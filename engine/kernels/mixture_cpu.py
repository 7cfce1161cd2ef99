"""The CPU twin of mixture.py: a row of `out` or g is read once for all maps."""

from collections.abc import Sequence

import numpy as np

from .arrays import Array, own
from .jit import jit
from .threads import chunks, run
from .tiles_cpu import fetch

MOST = 8  # maps of a pass; a pass of fewer is filled up with empty ones, so that it is compiled once
BLOCK = 1024  # floats of a row that stay in the nearest cache while the maps pass
NOTHING = np.zeros((0, 0, 0, 0), np.float32)


def add(out: Array, maps: Sequence[Array], scales: Sequence[Array], shift: Array) -> None:
    """As mixture.add."""
    if len(maps) > MOST:
        add(out, maps[MOST:], scales[MOST:], np.zeros_like(shift))
    C, total, some = out.shape[1], _in_place(out), _rows(maps[:MOST], out.shape)
    weights = [np.broadcast_to(s, (y.shape[1], C)) for s, y in zip(scales, some, strict=False)]
    weight, shift = np.concatenate([np.zeros((0, C), np.float32), *weights]), own(shift)
    run(
        lambda first, last, _: _add(_full(some, first, last), weight, shift, total[first:last]),
        chunks(len(out), 2 * sum(y[0].size for y in some)),
    )


def sums(g: Array, maps: Sequence[Array], means: Sequence[Array]) -> list[tuple[Array, Array]]:
    """As mixture.sums; in float64, image by image."""
    if len(maps) > MOST:
        return sums(g, maps[:MOST], means[:MOST]) + sums(g, maps[MOST:], means[MOST:])
    N, _, C = g.shape[:3]
    some, up = _rows(maps, g[:, 0].shape), own(g).reshape(N, C, -1)
    centre, borders = np.concatenate(means), chunks(N, 4 * sum(y[0].size for y in some))
    parts = np.zeros((len(borders), 1 + len(centre), C))  # Σ g, then Σ g·(y − mean) lane by lane

    def work(first: int, last: int, index: int) -> None:
        _sums(up[first:last], _full(some, first, last), centre, parts[index])

    run(work, borders)
    total = parts.sum(0).astype(g.dtype)
    ends = np.cumsum([y.shape[1] for y in some])
    paired = np.split(total[1:], ends[:-1])
    return [(np.repeat(total[:1], len(S1), axis=0), S1) for S1 in paired]


def _rows(maps: Sequence[Array], shape: tuple[int, ...]) -> list[Array]:
    """(N, R, C, P) of each; shape: (N, C, H, W)."""
    for y in maps:
        if (len(y), *y.shape[2:]) != shape:
            raise ValueError(f"mixture: a map is {y.shape}, the others (N, C, H, W) {shape}.")
    return [own(y).reshape(*y.shape[:3], -1) for y in maps]


def _in_place(out: Array) -> Array:
    """(N, C, P), the same memory."""
    if not out.flags.c_contiguous:
        raise ValueError(f"mixture: what changes in place is not contiguous: strides {out.strides}.")
    return out.reshape(*out.shape[:2], -1)


def _full(some: Sequence[Array], first: int, last: int) -> tuple[Array, ...]:
    return (*(y[first:last] for y in some), *[NOTHING] * (MOST - len(some)))


@jit
def _add(maps: tuple[Array, ...], scale: Array, shift: Array, out: Array) -> None:
    N, C, P = out.shape
    for n in range(N):
        for c in range(C):
            for first in range(0, P, BLOCK):
                to, lane, t = out[n, c, first : first + BLOCK], 0, shift[c]
                for k in range(MOST):
                    y = maps[k]
                    for r in range(y.shape[1]):
                        if (
                            c + 1 < C
                        ):  # each row is a page or less of its own: nothing else would see it coming
                            fetch(y[n, r, c + 1, first : first + BLOCK])
                        row, a = y[n, r, c, first : first + BLOCK], scale[lane, c]
                        lane += 1
                        for i in range(to.size):
                            to[i] += a * row[i]
                for i in range(to.size):
                    to[i] += t


@jit
def _sums(g: Array, maps: tuple[Array, ...], mean: Array, part: Array) -> None:
    N, C, _ = g.shape
    for n in range(N):
        for c in range(C):
            up, s, lane = g[n, c], 0.0, 0
            for i in range(up.size):
                s += up[i]
            part[0, c] += s
            for k in range(MOST):
                y = maps[k]
                for r in range(y.shape[1]):
                    if c + 1 < C:
                        fetch(y[n, r, c + 1])
                    row, m, q = y[n, r, c], mean[lane, c], 0.0
                    for i in range(up.size):
                        q += np.float64(up[i]) * (row[i] - m)
                    lane += 1
                    part[lane, c] += q
