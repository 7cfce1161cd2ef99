"""Augmentation: colours and grey, rows in any order and twice, squares larger than the image, each option alone."""

from collections.abc import Iterator

import numpy as np
from bionas_cupy.engine.random import Key

from . import Call, draw

KEY = Key(2**63 + 5, "train/augment", 7, 3)


def calls() -> Iterator[Call]:
    for shape in ((40, 3, 9, 7), (5, 1, 1, 2), (11, 2, 16, 18)):
        pixels = np.random.default_rng(4).integers(0, 256, shape, np.uint8)
        rows, fill = np.array([3, 0, 4, 4, 1]), draw(1, shape[1])
        for crop, flip, cutout in ((0, False, 0), (2, False, 0), (0, True, 0), (0, False, 5), (4, True, 30)):
            yield "altered", pixels, rows, KEY, crop, flip, cutout, fill
