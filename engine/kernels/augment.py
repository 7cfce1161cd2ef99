"""Random crop, flip and cutout of images, every draw a function of the key and the image's number.

    t, l, m, r, s = the words 5·i … 5·i + 4 of the key, halved, for image i
    crop     x[c, h, w] = pixel[c, h + t mod (2p + 1) - p, w + l mod (2p + 1) - p] / 255, 0 beyond the image
    flip     w → W - 1 - w where m is odd
    cutout   x[c, h, w] = fill[c] for h - r mod H and w - s mod W in [-⌊q/2⌋, q - ⌊q/2⌋)

p, q: `crop` and `cutout`, the padding and the square's side in pixels (DeVries & Taylor 2017); in this order, as
in DARTS. Augmenting where the images lie needs no copy from the host but the rows' numbers.

    x = altered(pixels, rows, key.to("augment", epoch), crop=4, flip=True, cutout=16, fill=mean)
"""

from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ..random import Key, bits
from .arrays import Array, array_module, twins

DRAWS = 5  # words an image


@twins
def altered(pixels: Array, rows: Array, key: Key, crop: int, flip: bool, cutout: int, fill: Array) -> Array:
    """(n, C, H, W) of fill's type: `rows` (n,) int64 of pixels (count, C, H, W) uint8; fill (C,)."""
    xp = array_module(pixels)
    if not (crop or flip or cutout):
        plain: Array = xp.divide(pixels[rows], 255, dtype=fill.dtype)
        return plain
    drawn = xp.asarray(table(key, len(pixels)))[rows]
    taken = pixels[rows]
    if crop:
        taken = cropped(taken, drawn[:, 0], drawn[:, 1], crop)
    if flip:
        taken = xp.where((drawn[:, 2] % 2 == 1)[:, None, None, None], taken[..., ::-1], taken)
    values: Array = xp.divide(taken, 255, dtype=fill.dtype)
    if cutout:
        hidden = square(drawn[:, 3], drawn[:, 4], pixels.shape[2:], cutout)
        values = xp.where(hidden[:, None], fill.reshape(-1, 1, 1), values)
    return values


@lru_cache(maxsize=4)
def table(key: Key, count: int) -> NDArray[np.int64]:
    """(count, DRAWS) random numbers in [0, 2⁶³). A row does not depend on the count."""
    words = (bits(key, count * DRAWS) >> np.uint64(1)).astype(np.int64).reshape(count, DRAWS)
    words.flags.writeable = False
    return words


def cropped(pixels: Array, top: Array, left: Array, crop: int) -> Array:
    """A window of each image (n, C, H, W), after `crop` zeros on every side."""
    xp, places = array_module(pixels), 2 * crop + 1
    padded = xp.pad(pixels, ((0, 0), (0, 0), (crop, crop), (crop, crop)))
    view = sliding_window_view if xp is np else xp.lib.stride_tricks.sliding_window_view
    windows = view(padded, pixels.shape[2:], axis=(2, 3))  # (n, C, places, places, H, W)
    taken: Array = windows[xp.arange(len(pixels)), :, top % places, left % places]
    return taken


def square(row: Array, column: Array, size: tuple[int, ...], side: int) -> Array:
    """(n, H, W): True in the square of `side` pixels from centre - side // 2 on, clipped at the borders."""
    height, width = size
    hidden: Array = (
        span(row % height, height, side)[:, :, None] & span(column % width, width, side)[:, None, :]
    )
    return hidden


def span(centre: Array, length: int, side: int) -> Array:
    """(n, length): True from centre - side // 2 on, for `side` pixels."""
    offset = array_module(centre).arange(length) - (centre - side // 2)[:, None]
    inside: Array = (offset >= 0) & (offset < side)
    return inside
