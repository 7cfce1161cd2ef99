"""Labelled images in memory: what every reader returns and every run starts from."""

import hashlib
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..engine.errors import UsageError
from ..engine.random import Key, permutation
from .stratify import choose, equal_quotas

STRIDE = 256  # images counted at a time


@dataclass(frozen=True, eq=False)
class Images:
    """images uint8 (N, C, H, W), labels int64 (N,) in [0, K), the K class names, the data set's name."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    name: str

    def __len__(self) -> int:
        return len(self.images)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one image."""
        _, channels, height, width = self.images.shape
        return channels, height, width

    def take(self, indices: NDArray[np.int64]) -> "Images":
        """The images at `indices` (int64), in that order."""
        return replace(self, images=self.images[indices], labels=self.labels[indices])

    def subset(self, count: int, key: Key) -> "Images":
        """A seeded choice of `count` images, the classes as equal as they can be, in ascending order.

        It depends on the labels and the key only, so every file format of one data set gives the same.
        Raises UsageError for fewer than 1 or more than N images.
        """
        if not 1 <= count <= len(self):
            raise UsageError(
                f"subset: {count} of the {len(self)} images of {self.name}.",
                f"Choose from 1 to {len(self)}.",
            )
        per_class = np.bincount(self.labels, minlength=len(self.classes))
        key = key.to("subset")
        return self.take(choose(self.labels, equal_quotas(per_class, count, key), key))

    def halves(self, key: Key) -> tuple["Images", "Images"]:
        """Two random halves in ascending order: for the weights (the larger one), and for the architecture.

        The split of DARTS (Liu, Simonyan & Yang 2019). Raises UsageError for fewer than 2 images.
        """
        if len(self) < 2:
            raise UsageError(
                f"halves: {self.name} has {len(self)} images, at least 2 are needed.",
                "Take a larger subset.",
            )
        order = permutation(key.to("halves"), len(self))
        middle = (len(self) + 1) // 2
        return self.take(np.sort(order[:middle])), self.take(np.sort(order[middle:]))

    def digest(self) -> str:
        """SHA-256 (hexadecimal) over the images, the labels and the number of classes, with their shapes."""
        head = f"images {self.images.shape} labels {self.labels.shape} classes {len(self.classes)}\n"
        total = hashlib.sha256(head.encode())
        total.update(np.ascontiguousarray(self.images).data)
        total.update(np.ascontiguousarray(self.labels, "<i8").data)
        return total.hexdigest()

    def channel_statistics(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and (population) standard deviation of images / 255 in each channel: two (C,) in float64."""
        # 256 exact counts a channel in place of N·H·W floats: the same sums in any order.
        counts = np.zeros((self.shape[0], 256), np.int64)
        for start in range(0, len(self), STRIDE):
            for channel, planes in enumerate(np.moveaxis(self.images[start : start + STRIDE], 1, 0)):
                counts[channel] += np.bincount(planes.ravel(), minlength=256)
        share, values = counts / counts.sum(1, keepdims=True), np.arange(256) / 255
        mean = share @ values
        return mean, np.sqrt((share * (values - mean[:, None]) ** 2).sum(1))


@dataclass(frozen=True, eq=False)
class Splits:
    """The images to learn from and the images to test on; classes and shapes agree."""

    train: Images
    test: Images
