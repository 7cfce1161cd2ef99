"""A way to compute a dense convolution (dense_cpu.py, winograd_cpu.py), made ready for one weight and one size.

It works on any images of a batch: on chunks of it, alone, or between other operations on the same images
(conv_norm_cpu.py).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .arrays import Array, Shape
from .scratch import LINE
from .threads import chunks, run

MOVED = 8.0  # what a number that is read from memory costs, in operations
Borders = tuple[tuple[int, int], ...]


class Map(NamedTuple):
    """work(x, y): y = M x, or Mᵀ x, for contiguous x (n, L, ...) and y (n, R, ...).

    cost: of an image, in operations; step: images that go together.
    """

    work: Callable[[Array, Array], None]
    cost: float
    step: int


class Sum(NamedTuple):
    """work(delta, x, sums): sums += Σ δ ⊗ x, of `shape` in float64; finish(sums): M's gradient (R, O, C/groups, k, k).

    most: chunks that sums may be kept for.
    """

    work: Callable[[Array, Array, Array], None]
    cost: float
    step: int
    shape: Shape
    most: int
    finish: Callable[[Array], Array]

    def chunks(self, count: int) -> Borders:
        return chunks(count, self.cost, self.step, self.most)


def mapped(way: Map, x: Array, y: Array) -> Array:
    """y, filled with what the map makes of the whole batch."""
    run(lambda first, last, _: way.work(x[first:last], y[first:last]), chunks(len(x), way.cost, way.step))
    return y


def summed(way: Sum, delta: Array, x: Array) -> Array:
    """The gradient over the whole batch."""
    borders = way.chunks(len(x))
    sums = np.empty((len(borders), *way.shape))

    def work(first: int, last: int, i: int) -> None:
        sums[i] = 0
        way.work(delta[first:last], x[first:last], sums[i])

    run(work, borders)
    return way.finish(total(sums))


def total(parts: Array) -> Array:
    """Σ over the chunks, in their order; the columns over threads."""
    rows = parts.reshape(len(parts), -1)
    found: Array = np.empty(rows.shape[1], parts.dtype)
    run(lambda i, j, _: rows[:, i:j].sum(0, out=found[i:j]), chunks(found.size, MOVED * len(rows), LINE))
    return found.reshape(parts.shape[1:])
