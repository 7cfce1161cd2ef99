"""What the official files hold, so that `data check` can say whether these are they.

MD5 sums: CIFAR's Python batches and Fashion-MNIST's .gz as in torchvision, MNIST's unpacked files,
ImageNet16's batches as in NAS-Bench-201. The digests are Images.digest() of the training and the test images,
as read from files with those sums, so they hold for every format.
"""

import gzip
import hashlib
from collections.abc import Iterable
from pathlib import Path

from .files import open_file

MD5 = {
    "cifar10": {
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        "test_batch": "40351d587109b95175f43aff81a1287e",
    },
    "cifar100": {
        "train": "16019d7e3df5f24257cddd939b257f8d",
        "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
    },
    "mnist": {
        "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
        "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
        "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
        "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
    },
    "fashion-mnist": {
        "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
    },
    "imagenet16": {
        "train_data_batch_1": "27846dcaa50de8e21a7d1a35f30f0e91",
        "train_data_batch_2": "c7254a054e0e795c69120a5727050e3f",
        "train_data_batch_3": "4333d3df2e5ffb114b05d2ffc19b1e87",
        "train_data_batch_4": "1620cdf193304f4a92677b695d70d10f",
        "train_data_batch_5": "348b3c2fdbb3940c4e9e834affd3b18d",
        "train_data_batch_6": "6e765307c242a1b3d7d5ef9139b48945",
        "train_data_batch_7": "564926d8cbf8fc4818ba23d2faac7564",
        "train_data_batch_8": "f4755871f718ccb653440b9dd0ebac66",
        "train_data_batch_9": "bb6dd660c38c58552125b1a92f86b5d4",
        "train_data_batch_10": "8f03f34ac4b42271a294f91bf480f29b",
        "val_data": "3410e3017fdaefba8d5073aaa65e4bd6",
    },
}

COUNTS = {  # training and test images
    "cifar10": (50_000, 10_000),
    "cifar100": (50_000, 10_000),
    "mnist": (60_000, 10_000),
    "fashion-mnist": (60_000, 10_000),
}

DIGESTS = {
    "digits": (
        "56f9775de04867973a012069ab236ff9182312ee2d3b8e17aa724d3e5237ec94",
        "efef9bb7efcc1f0f889035275f050914d2f8f9b4f63a8d14dfa65879d1423128",
    ),
    "mnist": (
        "cfd70e4183be38a79930ebf9aeacacad438faf3bd9efb484ccf9dcdd4a3c3ddf",
        "7ddfa488321c8c197a44a64463abac6b63a200dcfb00740ca964eb3c418db8eb",
    ),
    "cifar10": (
        "46bf3e445eec40d62dfcd6586952db9f04e15251a437d3ae46ab318ed6df6be4",
        "a6031c72c89e8a0766c69aa4d2336d7a79ba9eae51a875d347b34d8b058f1e17",
    ),
}


def differing(name: str, paths: Iterable[Path]) -> list[Path] | None:
    """The files that are not the official ones; None where no sum is known for any of them."""
    sums = MD5.get(name, {})
    known = [path for path in paths if path.name in sums or unpacked(path) in sums]
    return [path for path in known if not official(path, sums)] if known else None


def official(path: Path, sums: dict[str, str]) -> bool:
    if path.name in sums:
        return md5(path, unpack=False) == sums[path.name]
    return md5(path, unpack=True) == sums[unpacked(path)]


def unpacked(path: Path) -> str:
    """The file's name without .gz."""
    return path.name.removesuffix(".gz")


def md5(path: Path, unpack: bool) -> str:
    """The MD5 of a file, or of what a .gz file holds."""
    total = hashlib.md5(usedforsecurity=False)
    with open_file(path) as file:
        stream = gzip.GzipFile(fileobj=file) if unpack else file
        while chunk := stream.read(2**20):
            total.update(chunk)
    return total.hexdigest()
