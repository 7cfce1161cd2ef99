"""Reading whole files with errors for people, and checking what stands in them."""

from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..engine.errors import DataError

# Ten times the largest official file (a batch of ImageNet16 is about 100 MB), so that a mistake ends early.
LARGEST = 2**30
AGAIN = "Unpack the official archive again."


def open_file(path: Path, cure: str = AGAIN) -> BinaryIO:
    """The regular file, opened. Raises DataError where it is missing, no file, unreadable or above 1 GiB."""
    try:
        if not path.exists():
            raise DataError(f"{path} is missing.", cure)
        if not path.is_file():
            raise DataError(f"{path} is not a file.", cure)
        if (size := path.stat().st_size) > LARGEST:
            raise DataError(f"{path} has {size} bytes, at most {LARGEST} are expected.", cure)
        return path.open("rb")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.", "Check its permissions.") from None


def read_bytes(path: Path, cure: str = AGAIN) -> bytes:
    """The content of a file; errors as open_file."""
    with open_file(path, cure) as file:
        try:
            return file.read()
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}.", "Check the disk.") from None


def read_lines(path: Path) -> tuple[str, ...]:
    """The lines of a text file in UTF-8 that are not empty."""
    try:
        return tuple(line for line in read_bytes(path).decode().splitlines() if line.strip())
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is no text: byte {error.start} is not UTF-8.", AGAIN) from None


def class_names(path: Path, names: tuple[str, ...], count: int) -> tuple[str, ...]:
    """The names, if there are `count` of them; otherwise DataError."""
    if len(names) != count:
        raise DataError(f"{path} holds {len(names)} class names, {count} are expected.", AGAIN)
    return names


def check_labels(path: Path, labels: NDArray[np.int64], low: int, high: int, images: int) -> None:
    """Raises DataError unless there are `images` labels, all in low..high."""
    if len(labels) != images:
        raise DataError(f"{path} holds {images} images but {len(labels)} labels.", AGAIN)
    wrong = np.flatnonzero((labels < low) | (labels > high))
    if len(wrong):
        first = wrong[0]
        raise DataError(f"{path}: label {first} is {labels[first]}, {low} to {high} are expected.", AGAIN)


def check_counts(paths: list[Path], counts: list[int]) -> None:
    """Raises DataError unless all parts of one split hold equally many images."""
    for path, count in zip(paths, counts, strict=True):
        if count != counts[0]:
            raise DataError(f"{path} holds {count} images, {paths[0].name} holds {counts[0]}.", AGAIN)
