"""CIFAR-10 and CIFAR-100, binary version: records of label bytes and planes (R, G, B) of 32×32 bytes."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..engine.errors import DataError
from .cifar_names import CIFAR10, CIFAR100
from .dataset import Images, Splits
from .files import AGAIN, check_counts, check_labels, class_names, read_bytes, read_lines

PIXELS = 3 * 32 * 32
FILES10 = (*(f"data_batch_{k}.bin" for k in range(1, 6)), "test_batch.bin")
FILES100 = ("train.bin", "test.bin")


def read_cifar10(folder: Path) -> Splits:
    """data_batch_1.bin to data_batch_5.bin and test_batch.bin, in that order."""
    names = names_of(folder / "batches.meta.txt", CIFAR10)
    paths = [folder / file for file in FILES10]
    return Splits(read_split(paths[:5], names, "cifar10"), read_split(paths[5:], names, "cifar10"))


def read_cifar100(folder: Path) -> Splits:
    """train.bin and test.bin with the 100 fine labels; the coarse ones are checked and left out."""
    names = names_of(folder / "fine_label_names.txt", CIFAR100)
    train, test = (read_split([folder / file], names, "cifar100") for file in FILES100)
    return Splits(train, test)


def names_of(path: Path, official: tuple[str, ...]) -> tuple[str, ...]:
    return class_names(path, read_lines(path), len(official)) if path.exists() else official


def read_split(paths: list[Path], names: tuple[str, ...], name: str) -> Images:
    """The records of some files: an Images with (N, 3, 32, 32) pixels."""
    highest = (9,) if name == "cifar10" else (19, 99)  # of each label byte; the last one is used
    records = [read_records(path, highest) for path in paths]
    check_counts(paths, [len(part) for part in records])
    pixels = np.concatenate([part[:, len(highest) :] for part in records]).reshape(-1, 3, 32, 32)
    labels = np.concatenate([part[:, len(highest) - 1] for part in records]).astype(np.int64)
    return Images(pixels, labels, names, name)


def read_records(path: Path, highest: tuple[int, ...]) -> NDArray[np.uint8]:
    """(n, labels + 3072) bytes of one file. Raises DataError for half a record or an impossible label."""
    data = read_bytes(path)
    length = len(highest) + PIXELS
    if not data or len(data) % length:
        raise DataError(
            f"{path} has {len(data)} bytes, expected a multiple of {length} (one record an image): "
            f"{len(data) // length} images and {len(data) % length} bytes.",
            AGAIN,
        )
    records = np.frombuffer(data, np.uint8).reshape(-1, length)
    for column, high in enumerate(highest):
        check_labels(path, records[:, column].astype(np.int64), 0, high, len(records))
    return records
