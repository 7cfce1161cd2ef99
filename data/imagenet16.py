"""ImageNet16-120 (Chrabaszcz et al. 2017; Dong & Yang 2020): the first 120 classes of ImageNet at 16×16.

The files are the ten pickled training batches and val_data of the downsampled ImageNet: "data" uint8 (n, 768)
in R, G, B planes and "labels" 1 to 1000. NAS-Bench-201 keeps the labels 1 to 120; val_data is the test split
here.
"""

from pathlib import Path

import numpy as np

from ..engine.errors import DataError
from .cifar_python import labels_of, pixels_of
from .dataset import Images, Splits
from .files import AGAIN, check_labels
from .pickles import read_batch

SIDE = 16
KEPT = 120
FILES = (*(f"train_data_batch_{k}" for k in range(1, 11)), "val_data")
NAMES = tuple(str(label) for label in range(1, KEPT + 1))


def read_imagenet16(folder: Path) -> Splits:
    """All eleven files; the images with a label from 1 to 120, which becomes 0 to 119."""
    paths = [folder / file for file in FILES]
    return Splits(read_split(paths[:-1]), read_split(paths[-1:]))


def read_split(paths: list[Path]) -> Images:
    """The kept images of some batches, in the order of the files."""
    parts = [read_file(path) for path in paths]
    pixels = np.concatenate([part.images for part in parts])
    if not len(pixels):
        raise DataError(f"{paths[0].parent} holds no image with a label from 1 to {KEPT}.", AGAIN)
    return Images(pixels, np.concatenate([part.labels for part in parts]), NAMES, "imagenet16")


def read_file(path: Path) -> Images:
    """The kept images of one batch, which may be none."""
    batch = read_batch(path)
    pixels = pixels_of(path, batch, 3 * SIDE * SIDE)
    labels = labels_of(path, batch, "labels")
    check_labels(path, labels, 1, 1000, len(pixels))
    kept = labels <= KEPT
    return Images(pixels[kept].reshape(-1, 3, SIDE, SIDE), labels[kept] - 1, NAMES, "imagenet16")
