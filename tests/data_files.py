"""Files of every data set, as their archives have them, with random pixels."""

import pickle
import struct

import numpy as np
import pytest
from bionas_cupy.data.load import load
from bionas_cupy.engine.errors import DataError

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
