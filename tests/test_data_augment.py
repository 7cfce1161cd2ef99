"""Augmentation against a loop over images, and the same image in any order, batch and epoch."""

import numpy as np
import pytest
from bionas_cupy.data.augment import Augmentation, batch, table
from bionas_cupy.data.dataset import Images
from bionas_cupy.engine.random import Key

KEY = Key(11, "train")
PIXELS = np.random.default_rng(4).integers(0, 256, (40, 3, 9, 7), np.uint8)
IMAGES = Images(PIXELS, np.zeros(40, np.int64), ("a",), "photos")
ALL = np.arange(40)
FILL = [0.25, 0.5, 0.75]


def one_by_one(index, epoch, crop, flip, cutout, fill):
    """Crop, flip and cutout of one image as DARTS writes them, with the table's draws."""
    top, left, mirrored, row, column = (int(n) for n in table(KEY.to("augment", epoch), 40)[index])
    _, height, width = IMAGES.shape
    padded = np.zeros((3, height + 2 * crop, width + 2 * crop))
    padded[:, crop : crop + height, crop : crop + width] = PIXELS[index] / 255
    top, left = top % (2 * crop + 1), left % (2 * crop + 1)
    image = padded[:, top : top + height, left : left + width]
    if flip and mirrored % 2:
        image = image[:, :, ::-1].copy()
    y, x = row % height - cutout // 2, column % width - cutout // 2
    for channel in range(3):
        image[channel, max(y, 0) : max(y + cutout, 0), max(x, 0) : max(x + cutout, 0)] = fill[channel]
    return image


@pytest.mark.parametrize("crop", [0, 1, 4])
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("cutout", [0, 1, 4, 5, 30])
def test_equal_to_a_loop_over_images(crop, flip, cutout):
    options = {"crop": crop, "flip": flip, "cutout": cutout, "fill": FILL}
    got = batch(IMAGES, ALL, epoch=2, key=KEY, **options, dtype=np.float64)
    want = np.stack([one_by_one(index, 2, **options) for index in ALL])
    np.testing.assert_array_equal(got, want)


def test_the_same_image_in_any_order_and_batch():
    options = {"key": KEY, "crop": 2, "flip": True, "cutout": 3}
    whole = batch(IMAGES, ALL, epoch=5, **options)
    order = np.random.default_rng(1).permutation(40)
    table.cache_clear()
    pieces = [batch(IMAGES, order[start : start + 7], epoch=5, **options) for start in range(0, 40, 7)]
    np.testing.assert_array_equal(np.concatenate(pieces), whole[order])
    assert not np.array_equal(batch(IMAGES, ALL, epoch=6, **options), whole)
    assert not np.array_equal(batch(IMAGES, ALL, epoch=5, **options | {"key": Key(12, "train")}), whole)


def test_a_draw_does_not_depend_on_the_number_of_images():
    np.testing.assert_array_equal(table(KEY, 1000)[:40], table(KEY, 40))


def test_draws_are_uniform():
    drawn = table(KEY, 9000)
    for column, places in [(0, 9), (1, 9), (2, 2), (3, 9), (4, 7)]:
        counts = np.bincount(drawn[:, column] % places, minlength=places)
        assert abs(counts / (9000 / places) - 1).max() < 0.15
    assert abs(np.corrcoef(drawn[:, 0] % 9, drawn[:, 1] % 9)[0, 1]) < 0.05


def test_nothing_asked_gives_the_images():
    for dtype in (np.float32, np.float64):
        got = batch(IMAGES, np.array([3, 3, 0]), dtype=dtype)
        assert got.dtype == dtype
        np.testing.assert_array_equal(got, (PIXELS[[3, 3, 0]] / dtype(255)).astype(dtype))
    assert batch(IMAGES, ALL, key=KEY, crop=1, flip=True, cutout=2, fill=FILL).dtype == np.float32
    with pytest.raises(ValueError, match="need a key"):
        batch(IMAGES, ALL, flip=True)


def test_the_images_themselves_stay():
    before = PIXELS.copy()
    batch(IMAGES, ALL, key=KEY, crop=1, flip=True, cutout=4)
    np.testing.assert_array_equal(PIXELS, before)


@pytest.mark.parametrize(
    ("name", "shape", "want"),
    [
        ("cifar10", (3, 32, 32), Augmentation(crop=4, flip=True)),
        ("imagenet16", (3, 16, 16), Augmentation(crop=2, flip=True)),
        ("holiday", (3, 40, 24), Augmentation(crop=3, flip=True)),
        ("mnist", (1, 28, 28), Augmentation()),
        ("fashion-mnist", (1, 28, 28), Augmentation()),
        ("digits", (1, 8, 8), Augmentation()),
    ],
)
def test_the_usual_augmentation(name, shape, want):
    images = Images(np.zeros((1, *shape), np.uint8), np.zeros(1, np.int64), ("a",), name)
    assert Augmentation.for_dataset(images) == want
