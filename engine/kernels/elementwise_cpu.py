"""The CPU twin of elementwise.py: NumPy itself, chunk by chunk; it leaves Python's lock to others meanwhile."""

import numpy as np

from .arrays import Array
from .threads import chunks, run

MOVED = 3  # what an element of `take` costs: as many numbers are read and written


def plus(a: Array, b: Array) -> Array:
    """As elementwise.plus."""
    if a.shape != b.shape:
        raise ValueError(f"plus: the arrays are {a.shape} and {b.shape}, and must have one shape.")
    y = np.empty(a.shape, a.dtype)
    run(lambda i, j, _: np.add(a[i:j], b[i:j], out=y[i:j]), chunks(len(y), y[0].size))
    return y


def take(a: Array, b: Array) -> None:
    """As elementwise.take."""
    if a.shape != b.shape:
        raise ValueError(f"take: the arrays are {a.shape} and {b.shape}, and must have one shape.")
    run(lambda i, j, _: np.subtract(a[i:j], b[i:j], out=a[i:j]), chunks(len(a), MOVED * a[0].size))


def rectify(x: Array) -> Array:
    """As elementwise.rectify."""
    y = np.empty(x.shape, x.dtype)
    run(lambda i, j, _: np.maximum(x[i:j], 0, out=y[i:j]), chunks(len(x), x[0].size))
    return y


def _join(*parts: Array) -> Array:
    (N, R, _, H, W), C = parts[0].shape, sum(part.shape[2] for part in parts)
    y = np.empty((N, R, C, H, W), parts[0].dtype)
    run(
        lambda i, j, _: np.concatenate([part[i:j] for part in parts], axis=2, out=y[i:j]),
        chunks(N, y[0].size),
    )
    return y


def split(x: Array, count: int) -> list[Array]:
    """As elementwise.split."""
    (N, R, _, H, W), width = x.shape, x.shape[2] // count
    parts = [np.empty((N, R, width, H, W), x.dtype) for _ in range(count)]

    def work(i: int, j: int, _: int) -> None:
        for n, part in enumerate(parts):
            part[i:j] = x[i:j, :, n * width : (n + 1) * width]

    run(work, chunks(N, x[0].size))
    return parts
