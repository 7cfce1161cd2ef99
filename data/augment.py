"""Random crop, flip and cutout: image i of epoch e is altered alike in any order, batch or resumed run.

The draws of an epoch are one table, a row an image: a pure function of (seed, epoch, index). The order of the
operations is that of DARTS: crop with zero padding, horizontal flip, cutout (DeVries & Taylor 2017).
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ..engine.random import Key, bits
from .dataset import Images

DRAWS = 5  # columns of the table: top, left, flip, centre's row, centre's column
NOT_NATURAL = {"digits", "mnist", "fashion-mnist"}

Floats = NDArray[np.floating]


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
) -> Floats:
    """The images at `indices` (n,) as (n, C, H, W) in [0, 1], altered as the options say; none: as they are.

    DARTS zeroes the cutout square after normalising. The model normalises here, so the square takes `fill`, a
    number or (C,) in [0, 1]: pass the per-channel mean that the model subtracts. Its side is `cutout`, its
    centre uniform over the image, and what lies beyond the borders is cut. What draws needs a `key`.
    """
    if not (crop or flip or cutout):
        return np.divide(images.images[indices], 255, dtype=dtype)
    if key is None:
        raise ValueError("batch: crop, flip and cutout need a key")
    drawn = table(key.to("augment", epoch), len(images))[indices]
    pixels = images.images[indices]
    if crop:
        pixels = cropped(pixels, drawn[:, 0], drawn[:, 1], crop)
    if flip:
        pixels = np.where((drawn[:, 2] % 2 == 1)[:, None, None, None], pixels[..., ::-1], pixels)
    values: Floats = np.divide(pixels, 255, dtype=dtype)
    if cutout:
        hidden = square(drawn[:, 3], drawn[:, 4], images.shape, cutout)
        values = np.where(hidden[:, None], np.asarray(fill, dtype).reshape(-1, 1, 1), values)
    return values


@lru_cache(maxsize=4)
def table(key: Key, count: int) -> NDArray[np.int64]:
    """(count, DRAWS) random numbers in [0, 2⁶³). A row does not depend on the count."""
    words = (bits(key, count * DRAWS) >> np.uint64(1)).astype(np.int64).reshape(count, DRAWS)
    words.flags.writeable = False
    return words


def cropped(
    pixels: NDArray[np.uint8], top: NDArray[np.int64], left: NDArray[np.int64], crop: int
) -> NDArray[np.uint8]:
    """A window of each image (n, C, H, W), after `crop` zeros on every side."""
    places = 2 * crop + 1
    padded = np.pad(pixels, ((0, 0), (0, 0), (crop, crop), (crop, crop)))
    windows = sliding_window_view(padded, pixels.shape[2:], axis=(2, 3))  # (n, C, places, places, H, W)
    taken: NDArray[np.uint8] = windows[np.arange(len(pixels)), :, top % places, left % places]
    return taken


def square(
    row: NDArray[np.int64], column: NDArray[np.int64], shape: tuple[int, int, int], side: int
) -> NDArray[np.bool_]:
    """(n, H, W): True in the square of `side` pixels from centre - side // 2 on, clipped at the borders."""
    _, height, width = shape
    return span(row % height, height, side)[:, :, None] & span(column % width, width, side)[:, None, :]


def span(centre: NDArray[np.int64], length: int, side: int) -> NDArray[np.bool_]:
    """(n, length): True from centre - side // 2 on, for `side` pixels."""
    offset = np.arange(length) - (centre - side // 2)[:, None]
    return (offset >= 0) & (offset < side)
