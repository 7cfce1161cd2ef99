"""The order of an epoch, a pure function of the key."""

import numpy as np
from numpy.typing import NDArray

from ..engine.random import Key, permutation


def epoch_order(count: int, epoch: int, key: Key) -> NDArray[np.int64]:
    """A random order (count,) of the images of one epoch."""
    return permutation(key.to("order", epoch), count)
