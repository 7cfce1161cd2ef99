"""The order of an epoch and its batches, both pure functions of the key."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ..engine.errors import UsageError
from ..engine.random import Key, permutation


def epoch_order(count: int, epoch: int, key: Key) -> NDArray[np.int64]:
    """A random order (count,) of the images of one epoch."""
    return permutation(key.to("order", epoch), count)


def batches(order: NDArray[np.int64], size: int, drop_last: bool = True) -> Iterator[NDArray[np.int64]]:
    """The order in pieces of `size`. The last incomplete piece is dropped (training) or given (testing).

    Raises UsageError for a size below 1, or where dropping would leave no batch at all.
    """
    if size < 1 or (drop_last and size > len(order)):
        raise UsageError(
            f"batch size {size} with {len(order)} images.",
            f"Choose from 1 to {len(order)}.",
        )
    end = len(order) // size * size if drop_last else len(order)
    return (order[start : start + size] for start in range(0, end, size))
