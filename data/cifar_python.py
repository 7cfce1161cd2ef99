"""CIFAR-10 and CIFAR-100, Python version: the images of cifar_binary.py in pickled batches (pickles.py)."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engine.errors import DataError
from .cifar_names import CIFAR10, CIFAR100
from .dataset import Images, Splits
from .files import AGAIN, check_counts, check_labels, class_names
from .pickles import read_batch

PIXELS = 3 * 32 * 32
FILES10 = (*(f"data_batch_{k}" for k in range(1, 6)), "test_batch")
FILES100 = ("train", "test")


def read_cifar10(folder: Path) -> Splits:
    """data_batch_1 to data_batch_5 and test_batch, in that order."""
    names = names_of(folder / "batches.meta", "label_names", CIFAR10)
    paths = [folder / file for file in FILES10]
    return Splits(
        read_split(paths[:5], "labels", names, "cifar10"), read_split(paths[5:], "labels", names, "cifar10")
    )


def read_cifar100(folder: Path) -> Splits:
    """train and test with the 100 fine labels."""
    names = names_of(folder / "meta", "fine_label_names", CIFAR100)
    train, test = (read_split([folder / file], "fine_labels", names, "cifar100") for file in FILES100)
    return Splits(train, test)


def names_of(path: Path, key: str, official: tuple[str, ...]) -> tuple[str, ...]:
    if not path.exists():
        return official
    found = read_batch(path).get(key)
    if not isinstance(found, list):
        raise DataError(f"{path} has no list {key!r}.", AGAIN)
    texts = (name.decode("latin-1") if isinstance(name, bytes) else str(name) for name in found)
    return class_names(path, tuple(texts), len(official))


def read_split(paths: list[Path], key: str, names: tuple[str, ...], name: str) -> Images:
    """The batches of some files: an Images with (N, 3, 32, 32) pixels."""
    batches = [read_batch(path) for path in paths]
    pixels = [pixels_of(path, batch, PIXELS) for path, batch in zip(paths, batches, strict=True)]
    labels = [labels_of(path, batch, key) for path, batch in zip(paths, batches, strict=True)]
    for path, values, planes in zip(paths, labels, pixels, strict=True):
        check_labels(path, values, 0, len(names) - 1, len(planes))
    check_counts(paths, [len(planes) for planes in pixels])
    return Images(np.concatenate(pixels).reshape(-1, 3, 32, 32), np.concatenate(labels), names, name)


def pixels_of(path: Path, batch: dict[str, Any], length: int) -> NDArray[np.uint8]:
    """The batch's "data": uint8 (n, length), otherwise DataError."""
    data = batch.get("data")
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8:
        raise DataError(f'{path} has no uint8 array "data"; it holds {found_in(batch)}.', AGAIN)
    if data.ndim != 2 or data.shape[1] != length:
        raise DataError(f'{path}: "data" has the shape {data.shape}, expected (images, {length}).', AGAIN)
    return data


def labels_of(path: Path, batch: dict[str, Any], key: str) -> NDArray[np.int64]:
    """The batch's labels, a list or an array of whole numbers, as int64 (n,)."""
    labels = batch.get(key)
    if isinstance(labels, np.ndarray) and labels.ndim == 1 and labels.dtype.kind in "iu":
        return labels.astype(np.int64)
    if not isinstance(labels, list) or not all(type(label) is int for label in labels):
        raise DataError(f"{path} has no list of whole numbers {key!r}; it holds {found_in(batch)}.", AGAIN)
    return np.array(labels, np.int64)


def found_in(batch: dict[str, Any]) -> str:
    return ", ".join(repr(key[:30]) for key in list(batch)[:8]) or "nothing"
