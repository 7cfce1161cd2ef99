"""The CPU twin of product.py: strips over threads, each by one thread of BLAS (threads.one_blas_thread).

The strips are of columns, and of rows where `b` has few columns: a narrow product would read `a` once for each strip.

BLAS' own threads would cut the sums differently for each number of threads, and so change bits.
"""

import numpy as np

from .arrays import Array
from .threads import chunks, run

STRIPS = 4
NARROW = 64  # columns


def product(a: Array, b: Array) -> Array:
    """As product.product."""
    if a.ndim > 2:
        return np.stack([product(*pair) for pair in zip(a, b, strict=True)])
    y = np.empty((len(a), b.shape[1]), a.dtype)

    def strip(first: int, last: int, _: int) -> None:
        np.matmul(a, b[:, first:last], out=y[:, first:last])

    def rows(first: int, last: int, _: int) -> None:
        np.matmul(a[first:last], b, out=y[first:last])

    if b.shape[1] > NARROW:
        run(strip, chunks(b.shape[1], 2.0 * a.size, most=STRIPS))
    else:
        run(rows, chunks(len(a), 2.0 * b.size, most=STRIPS))
    return y
