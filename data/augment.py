"""Random crop, flip and cutout: image i of epoch e is altered alike in any order, batch or resumed run.

The draws of an epoch are one table, a row an image: a pure function of (seed, epoch, index). The order of the
operations is that of DARTS: crop with zero padding, horizontal flip, cutout (DeVries & Taylor 2017).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ..engine.backend import Array, array_module
from ..engine.kernels.augment import altered, table
from ..engine.random import Key
from .dataset import Images

__all__ = ["Augmentation", "batch", "table"]
NOT_NATURAL = {"digits", "mnist", "fashion-mnist"}


@dataclass(frozen=True)
class Augmentation:
    """Padding of the random crop and side of the cutout square, in pixels (0: none); whether to flip."""

    crop: int = 0
    flip: bool = False
    cutout: int = 0

    @classmethod
    def for_dataset(cls, images: Images) -> "Augmentation":
        """The usual choice: an eighth of the shorter side, and flips; for digits and clothes none.

        CIFAR gets DARTS' padding of 4, ImageNet16 the 2 of NAS-Bench-201. Cutout is for the caller to choose.
        """
        return cls() if images.name in NOT_NATURAL else cls(crop=min(images.shape[1:]) // 8, flip=True)


def batch(
    images: Images,
    indices: NDArray[np.int64],
    *,
    epoch: int = 0,
    key: Key | None = None,
    crop: int = 0,
    flip: bool = False,
    cutout: int = 0,
    fill: ArrayLike = 0.0,
    dtype: DTypeLike = np.float32,
) -> Array:
    """The images at `indices` (n,) as (n, C, H, W) in [0, 1], altered as the options say; none: as they are.

    DARTS zeroes the cutout square after normalising. The model normalises here, so the square takes `fill`, a
    number or (C,) in [0, 1]: pass the per-channel mean that the model subtracts. Its side is `cutout`, its
    centre uniform over the image, and what lies beyond the borders is cut. What draws needs a `key`.
    """
    if crop or flip or cutout:
        if key is None:
            raise ValueError("batch: crop, flip and cutout need a key")
        key = key.to("augment", epoch)
    xp, channels = array_module(images.images), images.shape[0]
    filled = xp.broadcast_to(xp.asarray(fill, dtype), (channels,))
    rows = xp.asarray(indices)
    return altered(images.images, rows, key or Key(0), crop, flip, cutout, filled)
