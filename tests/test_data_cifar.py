"""CIFAR-10 and -100, binary and Python: order, labels, names, and what is refused."""

import pickle

import numpy as np
import pytest
from bionas_cupy.data.check import find
from bionas_cupy.data.load import load
from data_files import cifar10, cifar100, pixels, refused, write


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
