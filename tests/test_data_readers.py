"""The readers of official formats on tiny files: what they return, and how they refuse broken files."""

import gzip
import hashlib
import pickle
import struct

import numpy as np
import pytest
from bionas_cupy.data.check import check, find
from bionas_cupy.data.load import load
from bionas_cupy.data.locate import default_data_dir
from bionas_cupy.data.official import MD5, differing
from bionas_cupy.engine.errors import DataError, UsageError

RNG = np.random.default_rng(5)
BATCHES = [f"data_batch_{k}" for k in range(1, 6)] + ["test_batch"]
IDX = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
]


def pixels(count, length=3072):
    return RNG.integers(0, 256, (count, length), np.uint8)


def write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def cifar10(folder):
    """The same six batches of 4 images in both forms."""
    for name in BATCHES:
        data, labels = pixels(4), RNG.integers(0, 10, 4)
        records = np.concatenate([labels[:, None].astype(np.uint8), data], 1)
        write(folder / "cifar-10-batches-bin" / f"{name}.bin", records.tobytes())
        batch = {
            b"data": data,
            b"labels": labels.tolist(),
            b"filenames": [b"a.png"] * 4,
            b"batch_label": b"x",
        }
        write(folder / "cifar-10-batches-py" / name, pickle.dumps(batch, 2))
    return folder


def cifar100(folder):
    for name in ("train", "test"):
        data, fine, coarse = pixels(3), [99, 0, 7], [19, 0, 1]
        records = np.concatenate([np.array([coarse, fine], np.uint8).T, data], 1)
        write(folder / "cifar-100-binary" / f"{name}.bin", records.tobytes())
        batch = {"data": data, "fine_labels": fine, "coarse_labels": coarse}
        write(folder / "cifar-100-python" / name, pickle.dumps(batch, 4))
    return folder


def idx_bytes(array):
    return struct.pack(f">{array.ndim + 1}I", 0x800 + array.ndim, *array.shape) + array.tobytes()


def mnist(folder, pack=lambda data: data, suffix=""):
    for name in IDX:
        count = 6 if name.startswith("train") else 2
        shape = (count, 5, 4) if "images" in name else (count,)
        write(
            folder / (name + suffix),
            pack(idx_bytes(np.arange(np.prod(shape), dtype=np.uint8).reshape(shape) % 9)),
        )
    return folder


def imagenet16(folder):
    for k in range(1, 11):
        batch = {"data": pixels(3, 768), "labels": [k, 121, 120], "mean": np.zeros(768)}
        write(folder / f"train_data_batch_{k}", pickle.dumps(batch, 2))
    write(folder / "val_data", pickle.dumps({"data": pixels(2, 768), "labels": [1000, 120]}, 2))
    return folder


def refused(match, name, folder):
    with pytest.raises(DataError, match=match) as caught:
        load(name, folder)
    assert caught.value.exit_code == 3
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "make"), [("cifar10", cifar10), ("cifar100", cifar100)])
def test_binary_and_python_cifar_are_the_same_images(tmp_path, name, make):
    make(tmp_path)
    binary, python = (load(name, folder) for folder in sorted(tmp_path.iterdir()))
    assert load(name, tmp_path).train.digest() == binary.train.digest() == python.train.digest()
    assert binary.test.digest() == python.test.digest()
    assert binary.train.classes == python.train.classes
    assert binary.train.shape == (3, 32, 32)
    assert len(set(binary.train.classes)) == int(name[5:])


def test_cifar10_keeps_the_order_of_files_and_planes(tmp_path):
    train = load("cifar10", cifar10(tmp_path)).train
    raw = (tmp_path / "cifar-10-batches-bin" / "data_batch_2.bin").read_bytes()
    assert train.labels[5] == raw[3073]
    assert train.images[5, 1, 0, 3] == raw[3073 + 1 + 1024 + 3]


def test_cifar100_takes_the_fine_labels(tmp_path):
    train = load("cifar100", cifar100(tmp_path)).train
    assert [train.classes[label] for label in train.labels] == ["worm", "apple", "beetle"]


def test_binary_goes_before_python_but_whole_before_partial(tmp_path):
    cifar10(tmp_path)
    assert find(tmp_path)[3].form == "binary"
    (tmp_path / "cifar-10-batches-bin" / "test_batch.bin").unlink()
    assert find(tmp_path)[3].form == "python"
    (tmp_path / "cifar-10-batches-py" / "test_batch").unlink()
    refused("test_batch.bin is missing", "cifar10", tmp_path)


def test_class_names_come_from_the_archive_where_it_has_them(tmp_path):
    cifar10(tmp_path)
    names = list("abcdefghij")
    write(tmp_path / "cifar-10-batches-bin" / "batches.meta.txt", "\n".join([*names, "", ""]).encode())
    write(tmp_path / "cifar-10-batches-py" / "batches.meta", pickle.dumps({b"label_names": [b"a"] * 9}, 2))
    assert load("cifar10", tmp_path).train.classes == tuple(names)
    refused("9 class names, 10 are expected", "cifar10", tmp_path / "cifar-10-batches-py")


def test_a_broken_binary_batch_is_refused(tmp_path):
    path = cifar10(tmp_path) / "cifar-10-batches-bin" / "data_batch_3.bin"
    whole = path.read_bytes()
    for data, match in [
        (whole[:-1], "data_batch_3.bin has 12291 bytes, expected a multiple of 3073"),
        (b"", "has 0 bytes"),
        (b"\x0a" + whole[1:], "label 0 is 10, 0 to 9 are expected"),
        (whole[:3073], "data_batch_3.bin holds 1 images, data_batch_1.bin holds 4"),
    ]:
        path.write_bytes(data)
        refused(match, "cifar10", tmp_path)
    path.unlink()
    path.mkdir()
    refused("data_batch_3.bin is not a file", "cifar10", tmp_path / "cifar-10-batches-bin")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"labels": [0, 1, 2]}, "holds 4 images but 3 labels"),
        ({"labels": [0, 1, 2, 10]}, "label 3 is 10, 0 to 9"),
        ({"labels": [0, 1, 2, 3.5]}, "no list of whole numbers 'labels'"),
        ({"labels": None}, "no list of whole numbers 'labels'"),
        ({"data": np.zeros((4, 3071), np.uint8)}, r"shape \(4, 3071\), expected \(images, 3072\)"),
        ({"data": np.zeros((4, 3072), np.int16)}, 'no uint8 array "data"'),
        ({"data": b"abc"}, 'no uint8 array "data"'),
    ],
)
def test_a_broken_python_batch_is_refused(tmp_path, change, match):
    folder = cifar10(tmp_path) / "cifar-10-batches-py"
    batch = {"data": pixels(4), "labels": [0, 1, 2, 3]} | change
    write(folder / "data_batch_5", pickle.dumps(batch, 2))
    refused(match, "cifar10", folder)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_mnist_plain_and_gzipped(tmp_path, suffix):
    mnist(tmp_path / "MNIST" / "raw", gzip.compress if suffix else bytes, suffix)
    splits = load("mnist", tmp_path)
    assert splits.train.images.shape == (6, 1, 5, 4)
    assert splits.train.images[1, 0, 0, :3].tolist() == [2, 3, 4]
    assert splits.test.labels.tolist() == [0, 1]


def test_mnist_and_fashion_are_told_apart_by_their_folders(tmp_path):
    mnist(tmp_path / "MNIST" / "raw")
    refused("fashion-mnist was not found", "fashion-mnist", tmp_path / "MNIST")
    refused("fashion-mnist was not found", "fashion-mnist", tmp_path / "MNIST" / "raw")
    mnist(tmp_path / "FashionMNIST" / "raw")
    assert load("fashion-mnist", tmp_path).train.classes[9] == "Ankle boot"
    refused("mnist was not found", "mnist", tmp_path / "FashionMNIST")
    assert load("mnist", mnist(tmp_path / "files")).train.name == "mnist"


def test_a_broken_idx_file_is_refused(tmp_path):
    mnist(tmp_path)
    images, labels = tmp_path / IDX[0], tmp_path / IDX[1]
    whole, whole_labels = images.read_bytes(), labels.read_bytes()
    large = struct.pack(">4I", 0x803, 60000, 60000, 60000)
    for path, data, match in [
        (images, whole[:-1], "announces 6×5×4 bytes, 119 follow"),
        (images, whole + b"x", "more follow"),
        (images, whole[:10], "ends in its header"),
        (images, whole_labels + whole_labels, "magic number 2049, expected 2051"),
        (images, large + bytes(99), "announces 60000×60000×60000 bytes"),
        (images, struct.pack(">4I", 0x803, 6, 0, 4), "is empty: 6×0×4"),
        (labels, whole_labels[:7] + b"\x05" + whole_labels[8:-1], "6 images but 5 labels"),
        (labels, whole_labels[:-1] + b"\x0a", "label 5 is 10, 0 to 9"),
        (images, idx_bytes(np.zeros((6, 5, 5), np.uint8)), "5×4 pixels, train-images-idx3-ubyte of 5×5"),
    ]:
        images.write_bytes(whole)
        labels.write_bytes(whole_labels)
        path.write_bytes(data)
        refused(match, "mnist", tmp_path)


def test_a_broken_gzip_file_is_refused(tmp_path):
    mnist(tmp_path, gzip.compress, ".gz")
    path = tmp_path / f"{IDX[0]}.gz"
    whole = path.read_bytes()
    bomb = gzip.compress(struct.pack(">4I", 0x803, 100, 1000, 1000) + bytes(10))
    for data, match in [
        (whole[:-9], "cut short or damaged"),
        (whole[:-2], "cut short or damaged"),
        (whole[:30] + bytes([whole[30] ^ 255]) + whole[31:], "cut short or damaged|follow"),
        (b"no gzip at all", "cut short or damaged"),
        (bomb, "cannot hold them"),
    ]:
        path.write_bytes(data)
        refused(match, "mnist", tmp_path)


def test_imagenet16_keeps_the_first_120_classes(tmp_path):
    imagenet16(tmp_path / "ImageNet16")
    splits = load("imagenet16", tmp_path)
    assert splits.train.labels.tolist() == [label for k in range(10) for label in (k, 119)]
    assert splits.test.labels.tolist() == [119]
    assert splits.train.shape == (3, 16, 16)
    assert len(splits.train.classes) == 120


def test_a_broken_imagenet16_batch_is_refused(tmp_path):
    imagenet16(tmp_path)
    path = tmp_path / "train_data_batch_10"
    for labels, match in [
        ([0, 1], "label 0 is 0, 1 to 1000"),
        ([1001, 1], "is 1001"),
        ([1], "2 images but 1 labels"),
    ]:
        write(path, pickle.dumps({"data": pixels(2, 768), "labels": labels}, 2))
        refused(match, "imagenet16", tmp_path)
    path.unlink()
    refused("train_data_batch_10 is missing", "imagenet16", tmp_path)


def test_an_absent_data_set_names_the_places_and_the_source(tmp_path):
    refused(
        f"Looked in {tmp_path}, .*cifar-10-batches-py.*CIFAR page of Alex Krizhevsky", "cifar10", tmp_path
    )
    refused("does not exist", "imagenet16", tmp_path / "no")


def test_an_unknown_name_is_a_usage_error():
    with pytest.raises(UsageError, match='Did you mean "cifar10"'):
        load("cifar1O")
    with pytest.raises(DataError, match="is no folder"):
        load("./no such folder")


def test_the_default_folder_is_the_users(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_data_dir() == tmp_path / "bionas-cupy"
    cifar100(tmp_path / "bionas-cupy")
    assert len(load("cifar100").train) == 3
    monkeypatch.delenv("XDG_DATA_HOME")
    assert default_data_dir().parts[-3:] == (".local", "share", "bionas-cupy")


def test_check_tells_whole_broken_missing_and_official_apart(tmp_path):
    cifar100(tmp_path)
    write(tmp_path / "cifar-100-binary" / "test.bin", b"x")
    imagenet16(tmp_path / "ImageNet16")
    rows = {row.name: row for row in check(data_dir=tmp_path)}
    assert {name: row.status for name, row in rows.items()} == {
        "digits": "whole",
        "mnist": "missing",
        "fashion-mnist": "missing",
        "cifar10": "missing",
        "cifar100": "broken",
        "imagenet16": "whole",
    }
    assert rows["digits"].official is True
    assert rows["imagenet16"].official is False
    assert "train_data_batch_1 and 10 more differ" in rows["imagenet16"].note
    assert (rows["imagenet16"].train, rows["imagenet16"].test, rows["imagenet16"].shape) == (
        20,
        1,
        (3, 16, 16),
    )
    assert "test.bin has 1 bytes" in rows["cifar100"].note


def test_check_compares_the_sums_of_files(tmp_path, monkeypatch):
    for path in imagenet16(tmp_path).iterdir():
        monkeypatch.setitem(MD5["imagenet16"], path.name, hashlib.md5(path.read_bytes()).hexdigest())
    (row,) = check("imagenet16", tmp_path)
    assert (row.official, row.note) == (True, "")
    monkeypatch.setitem(MD5["imagenet16"], "val_data", "another")
    (row,) = check("imagenet16", tmp_path)
    assert (row.official, "by its MD5 val_data differs" in row.note) == (False, True)


def test_sums_of_unpacked_files_hold_for_gz(tmp_path, monkeypatch):
    plain, packed = mnist(tmp_path / "plain"), mnist(tmp_path / "packed", gzip.compress, ".gz")
    for name in IDX:
        monkeypatch.setitem(MD5["mnist"], name, hashlib.md5((plain / name).read_bytes()).hexdigest())
    assert differing("mnist", plain.iterdir()) == differing("mnist", packed.iterdir()) == []
    (packed / f"{IDX[3]}.gz").write_bytes(gzip.compress(b"other"))
    assert differing("mnist", packed.iterdir()) == [packed / f"{IDX[3]}.gz"]
    assert differing("digits", []) is None


def test_check_compares_digests_where_no_sum_is_known(tmp_path):
    (row,) = check("cifar10", cifar10(tmp_path))
    assert (row.form, row.official) == ("binary", False)
    assert "20 training and 4 test images, expected 50,000 training and 10,000" in row.note
    (row,) = check("mnist", mnist(tmp_path / "mnist", gzip.compress, ".gz"))
    assert (row.status, row.official) == ("whole", False)
    with pytest.raises(UsageError):
        check("cifar11")
