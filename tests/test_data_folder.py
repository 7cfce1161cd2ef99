"""Folders of class folders: layouts, colours, the split, and what is refused before it is decoded."""

import struct
import zlib

import numpy as np
import pytest
from bionas_cupy.data import picture
from bionas_cupy.data.check import check
from bionas_cupy.data.load import load
from bionas_cupy.engine.errors import DataError
from PIL import Image


def save(path, size=(4, 3), mode="RGB", value=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new(mode, size, value if mode in ("L", "1", "P", "I;16") else (value, 1, 2, 3)[: len(mode)])
    image.save(path)
    return path


def refused(folder, match):
    with pytest.raises(DataError, match=match) as caught:
        load(str(folder))
    assert caught.value.exit_code == 3


def flat(folder, per_class=5, **options):
    for label, name in enumerate(["ant", "bee"]):
        for index in range(per_class):
            save(folder / name / f"{index}.png", value=10 * label + index, **options)
    return folder


@pytest.mark.parametrize("part", ["test", "val"])
def test_train_with_test_or_val(tmp_path, part):
    save(tmp_path / "train" / "bee" / "b.png", value=7)
    save(tmp_path / "train" / "ant" / "a.JPG")
    save(tmp_path / part / "bee" / "c.bmp", value=9)
    (tmp_path / "train" / "ant" / "notes.txt").write_text("no image")
    (tmp_path / "train" / ".hidden").mkdir()
    splits = load(str(tmp_path))
    assert splits.train.classes == splits.test.classes == ("ant", "bee")
    assert splits.train.labels.tolist() == [0, 1]
    assert splits.test.labels.tolist() == [1]
    assert splits.train.images.shape == (2, 3, 3, 4)
    assert splits.train.images[1, :, 0, 0].tolist() == [7, 1, 2]
    assert splits.test.images[0, 0, 0, 0] == 9
    assert splits.train.name == tmp_path.name


def test_class_folders_alone_are_split_by_class(tmp_path):
    splits = load(str(flat(tmp_path)))
    assert np.bincount(splits.train.labels).tolist() == [4, 4]
    assert np.bincount(splits.test.labels).tolist() == [1, 1]
    values = np.concatenate([part.images[:, 0, 0, 0] for part in (splits.train, splits.test)])
    assert sorted(values.tolist()) == [0, 1, 2, 3, 4, 10, 11, 12, 13, 14]
    assert load(str(tmp_path)).test.digest() == splits.test.digest()


def test_check_reads_a_folder(tmp_path):
    (row,) = check(str(flat(tmp_path)))
    assert (row.status, row.form, row.train, row.test, row.official) == ("whole", "folder", 8, 2, None)
    (row,) = check(str(tmp_path / "absent"))
    assert (row.status, "is no folder" in row.note) == ("broken", True)


def test_grey_stays_grey_until_one_image_has_colour(tmp_path):
    flat(tmp_path, mode="L")
    save(tmp_path / "ant" / "9.png", mode="1", value=1)
    save(tmp_path / "ant" / "8.png", mode="LA")
    assert load(str(tmp_path)).train.shape == (1, 3, 4)
    save(tmp_path / "bee" / "9.png", mode="P", value=0)
    assert load(str(tmp_path)).train.shape == (3, 3, 4)


def test_palettes_transparency_and_cmyk_become_rgb(tmp_path):
    image = Image.new("P", (4, 3), 1)
    image.putpalette([0, 0, 0, 9, 8, 7])
    for part in ("train", "test"):
        (tmp_path / part / "ant").mkdir(parents=True)
        image.save(tmp_path / part / "ant" / "a.png", transparency=b"\x00\x80")
        save(tmp_path / part / "ant" / "b.png", mode="RGBA", value=5)
        save(tmp_path / part / "ant" / "c.tif", mode="CMYK", value=0)
    train = load(str(tmp_path)).train
    assert train.images[0, :, 0, 0].tolist() == [9, 8, 7]
    assert train.images[1, :, 0, 0].tolist() == [5, 1, 2]
    assert train.shape == (3, 3, 4)


def test_the_odd_size_is_named_with_both_sizes(tmp_path):
    flat(tmp_path)
    save(tmp_path / "ant" / "0.png", size=(5, 3))
    refused(tmp_path, r"ant.0\.png has 5×3 pixels, 9 others have 4×3\. Resize all images")


def test_missing_parts_are_named(tmp_path):
    refused(tmp_path, "has no class folders")
    save(tmp_path / "train" / "ant" / "a.png")
    refused(tmp_path, "has train but neither test nor val")
    save(tmp_path / "test" / "bee" / "a.png")
    refused(tmp_path, r"bee has no counterpart in")
    (tmp_path / "train" / "bee").mkdir()
    refused(tmp_path, r"train.bee has no images")
    save(tmp_path / "few" / "ant" / "a.png")
    refused(tmp_path / "few", "1 images, too few for a test split")
    refused(tmp_path / "few" / "ant" / "a.png", "is no folder")


def png_header(width, height):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(99)))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("side", [4097, 12000, 60000])
def test_bombs_are_refused_before_decoding(tmp_path, monkeypatch, side):
    flat(tmp_path)
    (tmp_path / "ant" / "0.png").write_bytes(png_header(side, side))
    monkeypatch.setattr(picture, "read_pictures", None)
    refused(tmp_path, r"0\.png (is refused|has \d+×\d+ pixels, at most 4096 a side).*Resize")


def test_the_total_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(picture, "MOST_BYTES", 359)
    refused(flat(tmp_path), "10 images of 4×3 take 360 bytes")


def test_broken_images_are_named(tmp_path):
    flat(tmp_path)
    path = tmp_path / "bee" / "4.png"
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (3, 4, 3), np.uint8)).save(path)
    whole = path.read_bytes()
    for data in (
        whole[:60],
        whole[:20],
        b"",
        b"text",
        whole[:45] + b"xxxx" + whole[49:],
        png_header(4, 3)[:-20],
    ):
        path.write_bytes(data)
        refused(tmp_path, r"4\.png is no readable image")
    path.unlink()
    path.mkdir()
    refused(tmp_path, r"4\.png is not a file")


def test_sixteen_bits_are_refused(tmp_path):
    flat(tmp_path)
    save(tmp_path / "bee" / "4.png", mode="I;16", value=1000)
    refused(tmp_path, r"4\.png has more than 8 bits a channel")
