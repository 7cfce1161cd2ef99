"""Image files by Pillow: all headers first, so that nothing too large or of another size is ever decoded."""

import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..engine.errors import DataError
from .files import open_file

SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
GREY = {"1", "L", "LA"}
DEEP = {"I", "F", "I;16", "I;16B", "I;16L", "I;16N"}
LONGEST_SIDE = 4096
MOST_BYTES = 2**33
REPLACE = "Remove or replace it."
RESIZE = "Resize all images to one small size, such as 32×32, and try again."


@dataclass(frozen=True)
class Form:
    """What all images of a folder share: width, height, channels."""

    width: int
    height: int
    channels: int


@contextmanager
def open_picture(path: Path) -> Iterator[Image.Image]:
    """The image with its header read and checked, not its pixels. Raises DataError, for damage within too."""
    with open_file(path, REPLACE) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's warning of bombs begins far above our own limit
        try:
            with Image.open(file, formats=FORMATS) as image:
                check_header(path, image)
                yield image
        except Image.DecompressionBombError as error:
            raise DataError(f"{path} is refused: {error}", RESIZE) from None
        except DataError:
            raise
        except Exception as error:  # a damaged image raises whatever its decoder raises
            raise DataError(f"{path} is no readable image: {error}.", REPLACE) from None


def check_header(path: Path, image: Image.Image) -> None:
    """Raises DataError for an image that is too large or too deep."""
    if max(image.size) > LONGEST_SIDE:
        limit = f"at most {LONGEST_SIDE} a side are read"
        raise DataError(f"{path} has {sides(image.size)} pixels, {limit}.", RESIZE)
    if image.mode in DEEP:
        raise DataError(f"{path} has more than 8 bits a channel.", "Convert it to 8 bits.")


def survey(paths: list[Path]) -> Form:
    """The common size and channels of all images. Raises DataError naming the first one of another size."""
    sizes, grey = [], True
    for path in paths:
        with open_picture(path) as image:
            sizes.append(image.size)
            grey = grey and image.mode in GREY
            image.verify()  # the sums of a PNG's parts, which decoding does not look at
    usual, count = Counter(sizes).most_common(1)[0]
    for path, size in zip(paths, sizes, strict=True):
        if size != usual:
            raise DataError(f"{path} has {sides(size)} pixels, {count} others have {sides(usual)}.", RESIZE)
    form = Form(*usual, channels=1 if grey else 3)
    if (total := len(paths) * form.width * form.height * form.channels) > MOST_BYTES:
        raise DataError(f"{len(paths)} images of {sides(usual)} take {total} bytes in memory.", RESIZE)
    return form


def read_pictures(paths: list[Path], form: Form) -> NDArray[np.uint8]:
    """(N, C, H, W) uint8; transparency is dropped."""
    pixels = np.empty((len(paths), form.channels, form.height, form.width), np.uint8)
    for target, path in zip(pixels, paths, strict=True):
        target[...] = read_picture(path, form)
    return pixels


def read_picture(path: Path, form: Form) -> NDArray[np.uint8]:
    """One image (C, H, W)."""
    with open_picture(path) as image:
        if "transparency" in image.info:
            image = image.convert("RGBA")  # so that a palette's transparency is dropped as any other
        pixels = np.asarray(image.convert("L" if form.channels == 1 else "RGB"))
    shaped = pixels.reshape(form.height, form.width, form.channels)
    return np.ascontiguousarray(shaped.transpose(2, 0, 1))


def sides(size: tuple[int, int]) -> str:
    return f"{size[0]}×{size[1]}"
