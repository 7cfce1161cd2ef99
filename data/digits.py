"""The embedded data set: 1,797 handwritten digits of 8×8 pixels (digits.LICENSE.txt)."""

import io
from importlib.resources import files

import numpy as np

from ..engine.random import Key
from .dataset import Images, Splits
from .stratify import choose, proportional_quotas

WHITE = 16
TEST = 360
SPLIT_KEY = Key(0, "digits")
NAMES = tuple("0123456789")


def read_digits() -> Splits:
    """1,437 training and 360 test images (1, 8, 8): always the same stratified split, in the file's order."""
    images = all_digits()
    per_class = np.bincount(images.labels)
    test = choose(images.labels, proportional_quotas(per_class, TEST), SPLIT_KEY)
    return Splits(images.take(np.setdiff1d(np.arange(len(images)), test)), images.take(test))


def all_digits() -> Images:
    """All images; the file's 0..16 become 0..255 as round(255·v/16), halves up."""
    content = io.BytesIO(files(__package__).joinpath("digits.npz").read_bytes())
    with np.load(content, allow_pickle=False) as arrays:
        values, labels = arrays["images"].astype(np.int64), arrays["labels"].astype(np.int64)
    scaled = (255 * values + WHITE // 2) // WHITE
    return Images(scaled.astype(np.uint8)[:, None], labels, NAMES, "digits")
