"""A folder of class folders: DIR/train/CLASS/* with DIR/test/CLASS/* (or val), or DIR/CLASS/* alone."""

from pathlib import Path

import numpy as np

from ..engine.errors import DataError
from ..engine.random import Key
from .dataset import Images, Splits
from .picture import SUFFIXES, read_pictures, survey
from .stratify import choose, proportional_quotas

LAYOUT = "Expected DIR/train/CLASS/*.png with DIR/test/CLASS/*.png (or val), or DIR/CLASS/*.png."
SPLIT_KEY = Key(0, "folder")
TEST_SHARE = 0.2

Part = list[tuple[Path, int]]  # each image and its class


def read_folder(folder: Path) -> Splits:
    """All images of the folder, in the order of class and file names; classes are named after their folders.

    Without train/ a fifth of each class is the test split, always the same one. All images must have one
    size; they are RGB (N, 3, H, W), or (N, 1, H, W) where every one is grey. test/ goes before val/.
    """
    parts, names = list_parts(folder)
    pictures = survey([path for part in parts for path, _ in part])
    everything = [
        Images(
            read_pictures([path for path, _ in part], pictures),
            np.array([label for _, label in part], np.int64),
            names,
            folder.resolve().name,
        )
        for part in parts
    ]
    return Splits(*everything) if len(everything) == 2 else divide(everything[0])


def list_parts(folder: Path) -> tuple[list[Part], tuple[str, ...]]:
    """The training and the test part, or the one part that there is; and the names of the classes."""
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder.", LAYOUT)
    if not (folder / "train").is_dir():
        names = class_folders(folder)
        return [list_images(folder, names)], names
    test = next((folder / part for part in ("test", "val") if (folder / part).is_dir()), None)
    if test is None:
        raise DataError(f"{folder} has train but neither test nor val.", LAYOUT)
    names = class_folders(folder / "train")
    if unknown := sorted(set(class_folders(test)) - set(names)):
        raise DataError(f"{test / unknown[0]} has no counterpart in {folder / 'train'}.", LAYOUT)
    return [list_images(folder / "train", names), list_images(test, class_folders(test), names)], names


def class_folders(folder: Path) -> tuple[str, ...]:
    names = tuple(sorted(path.name for path in entries(folder) if path.is_dir()))
    if not names:
        raise DataError(f"{folder} has no class folders.", LAYOUT)
    return names


def list_images(folder: Path, present: tuple[str, ...], names: tuple[str, ...] = ()) -> Part:
    """The images of the class folders that are present; a label is a place among `names`."""
    part: Part = []
    for name in present:
        images = [path for path in entries(folder / name) if path.suffix.lower() in SUFFIXES]
        if not images:
            raise DataError(f"{folder / name} has no images ({', '.join(sorted(SUFFIXES))}).", LAYOUT)
        part += [(path, (names or present).index(name)) for path in sorted(images)]
    return part


def entries(folder: Path) -> list[Path]:
    """What lies in a folder and is not hidden."""
    try:
        return [path for path in folder.iterdir() if not path.name.startswith(".")]
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}.", "Check its permissions.") from None


def divide(images: Images) -> Splits:
    """A seeded stratified split, 80 % and 20 %; DataError where it leaves the test split empty."""
    count = round(TEST_SHARE * len(images))
    if not count:
        raise DataError(f"{images.name} has {len(images)} images, too few for a test split.", LAYOUT)
    per_class = np.bincount(images.labels, minlength=len(images.classes))
    test = choose(images.labels, proportional_quotas(per_class, count), SPLIT_KEY)
    return Splits(images.take(np.setdiff1d(np.arange(len(images)), test)), images.take(test))
