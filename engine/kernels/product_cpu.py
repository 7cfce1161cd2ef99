"""The CPU twin of product.py: strips of rows over threads, on the register tiles of tiles_cpu.py.

A tile wants rows of b that lie together. Of W x that is y's transpose: product(x, W.T) = product(W, x.T).T. Small and
narrow products are BLAS', each strip by one thread of it (threads.one_blas_thread): its own threads would cut the sums
differently for each number of threads, and so change bits.
"""

import numpy as np

from .arrays import Array, own
from .jit import jit
from .products_cpu import assign, multiply, whole
from .scratch import aligned
from .threads import chunks, run
from .tiles_cpu import ROWS, VECTORS, WIDTH

STRIPS = 8  # each of them reads the whole of b
SMALL = 4e6  # multiply-adds that BLAS does sooner than a strip starts
NARROW = 64  # columns: strips of them would be too narrow for BLAS
PANEL = VECTORS * WIDTH  # columns of b that lie together: a row of them is a row of a tile
DEPTH = 256  # rows of a panel that stay in the nearer caches while all rows of a pass
HERE = np.zeros(1, np.int64)


def product(a: Array, b: Array) -> Array:
    """As product.product."""
    if a.ndim > 2:
        return np.stack([product(*pair) for pair in zip(a, b, strict=True)])
    if len(a) * b.size < SMALL or min(len(a), b.shape[1]) < WIDTH:
        return _by_blas(a, b)
    y = np.empty((len(a), b.shape[1]), a.dtype)
    if b.T.flags.c_contiguous and not b.flags.c_contiguous:
        _by_tiles(b.T, a.T, y.T)
    else:
        _by_tiles(a, b, y)
    return y


def _by_tiles(a: Array, b: Array, y: Array) -> None:
    """Strips of a's rows, padded to whole tiles; y may be a transposed view."""
    panels, columns = _panels(b), b.shape[1]

    def strip(first: int, last: int, _: int) -> None:
        rows = whole(last - first, ROWS)
        left, out = a[first:last], y[first:last]
        if rows > last - first:
            left = np.concatenate([left, np.zeros((rows - len(left), len(b)), a.dtype)])
        if rows == last - first and out.flags.c_contiguous:
            _strip(own(left)[None], panels, HERE, out)
            return
        found = np.empty((rows, columns), a.dtype)
        _strip(own(left)[None], panels, HERE, found)
        out[...] = found[: last - first]

    run(strip, chunks(len(a), 2.0 * b.size, ROWS, STRIPS))


def _panels(b: Array) -> Array:
    """b's columns in panels, (J / PANEL, K, PANEL); the last one is filled up with zeros."""
    (K, J), count = b.shape, -(-b.shape[1] // PANEL)
    panels, inside = aligned(count, K, PANEL), J // PANEL
    panels[:inside] = b[:, : inside * PANEL].reshape(K, inside, PANEL).swapaxes(0, 1)
    if inside < count:
        rest = J - inside * PANEL
        panels[inside, :, :rest], panels[inside, :, rest:] = b[:, inside * PANEL :], 0
    return panels


def _by_blas(a: Array, b: Array) -> Array:
    """Strips of columns, and of rows where b has few columns: a narrow product would read `a` once for each strip."""
    y = np.empty((len(a), b.shape[1]), a.dtype)

    def columns(first: int, last: int, _: int) -> None:
        np.matmul(a, b[:, first:last], out=y[:, first:last])

    def rows(first: int, last: int, _: int) -> None:
        np.matmul(a[first:last], b, out=y[first:last])

    if b.shape[1] > NARROW:
        run(columns, chunks(b.shape[1], 2.0 * a.size, most=STRIPS // 2))
    else:
        run(rows, chunks(len(a), 2.0 * b.size, most=STRIPS // 2))
    return y


@jit
def _strip(a: Array, panels: Array, here: Array, y: Array) -> None:
    count, K, J = panels.shape[0], panels.shape[1], y.shape[1]
    for k in range(0, K, DEPTH):
        m = min(K, k + DEPTH)
        for p in range(count):
            j, n = p * PANEL, min(PANEL, J - p * PANEL)
            left, right, to = a[:, :, k:m], panels[p, k:m], y[:, j : j + n]
            if k == 0:
                assign(left, right, here, to, 0, n)
            else:
                multiply(left, right, here, to, 0, n)
