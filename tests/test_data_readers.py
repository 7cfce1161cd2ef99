"""MNIST, Fashion-MNIST and ImageNet16; data sets that are absent or unknown."""

import gzip
import pickle
import struct

import numpy as np
import pytest
from bionas_cupy.data.load import load
from bionas_cupy.data.locate import default_data_dir
from bionas_cupy.engine.errors import DataError, UsageError
from data_files import IDX, cifar100, idx_bytes, imagenet16, mnist, pixels, refused, write


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
