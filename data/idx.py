"""MNIST (LeCun et al. 1998) and Fashion-MNIST (Xiao, Rasul & Vollgraf 2017): IDX files, plain or gzipped.

An IDX file is a magic number (0x801 for labels, 0x803 for images), one big-endian 32-bit length an axis, and
the bytes.
"""

import gzip
import zlib
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..engine.errors import DataError
from .dataset import Images, Splits
from .files import AGAIN, LARGEST, check_labels, open_file

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
DIGITS = tuple("0123456789")
CLOTHES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
DEFLATE = 1032  # no gzip file holds more bytes than this for each of its own


def read_mnist(folder: Path) -> Splits:
    return read_idx(folder, DIGITS, "mnist")


def read_fashion(folder: Path) -> Splits:
    return read_idx(folder, CLOTHES, "fashion-mnist")


def part(folder: Path, file: str) -> Path:
    """The file as it lies there: plain before .gz, "-idx" or ".idx"; the plain name where there is none."""
    plain = [file, file.replace("-idx", ".idx")]
    names = [*plain, *(f"{name}.gz" for name in plain)]
    return next((folder / name for name in names if (folder / name).is_file()), folder / file)


def read_idx(folder: Path, names: tuple[str, ...], name: str) -> Splits:
    """The four files of a folder as images (N, 1, H, W) of ten classes."""
    paths = [part(folder, file) for file in FILES]
    train = read_split(paths[0], paths[1], names, name)
    test = read_split(paths[2], paths[3], names, name)
    if train.shape != test.shape:
        sides = [f"{height}×{width}" for _, height, width in (test.shape, train.shape)]
        raise DataError(
            f"{paths[2]} holds images of {sides[0]} pixels, {paths[0].name} of {sides[1]}.", AGAIN
        )
    return Splits(train, test)


def read_split(images: Path, labels: Path, names: tuple[str, ...], name: str) -> Images:
    pixels = read_file(images, axes=3)
    classes = read_file(labels, axes=1).astype(np.int64)
    check_labels(labels, classes, 0, len(names) - 1, len(pixels))
    return Images(pixels[:, None], classes, names, name)


def read_file(path: Path, axes: int) -> NDArray[np.uint8]:
    """One IDX file of bytes with that many axes. Raises DataError for another header or length."""
    with open_file(path) as file:
        size = path.stat().st_size
        stream = gzip.GzipFile(fileobj=file) if path.suffix == ".gz" else file
        try:
            shape = header(path, stream.read(4 + 4 * axes), axes)
            most = min(LARGEST, size * DEFLATE if stream is not file else size)
            if prod(shape) > most:
                raise DataError(
                    f"{path} announces {shape_text(shape)} bytes, its {size} cannot hold them.", AGAIN
                )
            data = stream.read(prod(shape) + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{path} is cut short or damaged: {error}.", AGAIN) from None
    if len(data) != prod(shape):
        more = "more" if len(data) > prod(shape) else str(len(data))
        raise DataError(f"{path} announces {shape_text(shape)} bytes, {more} follow.", AGAIN)
    return np.frombuffer(data, np.uint8).reshape(shape)


def header(path: Path, data: bytes, axes: int) -> tuple[int, ...]:
    """The lengths of the axes."""
    if len(data) < 4 + 4 * axes:
        raise DataError(f"{path} ends in its header.", AGAIN)
    magic, *shape = (int(word) for word in np.frombuffer(data, ">u4"))
    if magic != 0x800 + axes:
        raise DataError(f"{path} begins with the magic number {magic}, expected {0x800 + axes}.", AGAIN)
    if not all(shape):
        raise DataError(f"{path} is empty: {shape_text(tuple(shape))}.", AGAIN)
    return tuple(shape)


def shape_text(shape: tuple[int, ...]) -> str:
    return "×".join(str(length) for length in shape)
