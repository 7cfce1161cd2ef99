"""The CPU twin of product.py: strips of rows over threads, on the register tiles of tiles_cpu.py.

A tile wants rows of b that lie together. Of W x that is y's transpose: product(x, W.T) = product(W, x.T).T. Small and
narrow products are BLAS', each strip by one thread of it (threads.one_blas_thread): its own threads would cut the sums
differently for each number of threads, and so change bits.
"""

import numpy as np

from .arrays import Array, own
from .jit import jit
from .products_cpu import assign, multiply, whole
from .threads import chunks, run
from .tiles_cpu import ROWS, VECTORS, WIDTH

STRIPS = 8  # each of them reads the whole of b
SMALL = 4e6  # multiply-adds that BLAS does sooner than a strip starts
NARROW = 64  # columns: strips of them would be too narrow for BLAS
DEPTH, WIDE = (
    128,
    VECTORS * WIDTH,
)  # of a block of b, which stays in the nearest cache while all rows of a pass
HERE = np.zeros(1, np.int64)


def product(a: Array, b: Array) -> Array:
    """As product.product."""
    if a.ndim > 2:
        return np.stack([product(*pair) for pair in zip(a, b, strict=True)])
    if len(a) * b.size < SMALL or min(len(a), b.shape[1]) < WIDTH:
        return _by_blas(a, b)
    if b.T.flags.c_contiguous and not b.flags.c_contiguous:
        return np.ascontiguousarray(product(b.T, np.ascontiguousarray(a.T)).T)
    rows, left, right = whole(len(a), ROWS), own(a), own(b)
    if rows > len(a):
        left = np.concatenate([left, np.zeros((rows - len(a), len(b)), a.dtype)])
    y = np.empty((rows, b.shape[1]), a.dtype)

    def strip(first: int, last: int, _: int) -> None:
        _strip(left[None, first:last], right, HERE, y[first:last])

    run(strip, chunks(rows, 2.0 * b.size, ROWS, STRIPS))
    return y[: len(a)]


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
def _strip(a: Array, b: Array, here: Array, y: Array) -> None:
    K, J = b.shape
    for j in range(0, J, WIDE):
        n = min(WIDE, J - j)
        for k in range(0, K, DEPTH):
            m = min(K, k + DEPTH)
            left, right, to = a[:, :, k:m], b[k:m, j : j + n], y[:, j : j + n]
            if k == 0:
                assign(left, right, here, to, 0, n)
            else:
                multiply(left, right, here, to, 0, n)
