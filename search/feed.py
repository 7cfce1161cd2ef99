"""Batches of a run: every one a function of (seed, epoch, step)."""

from dataclasses import replace

import numpy as np

from ..data.augment import Augmentation
from ..data.augment import batch as augmented
from ..data.dataset import Images, Splits
from ..data.order import epoch_order
from ..engine.backend import Backend, cpu
from ..engine.errors import DataError, UsageError
from ..engine.random import Key
from ..layers.norm import Normalise
from .passes import Batch
from .sections import Data


class Feed:
    """Augmented batches of `images` in a random order an epoch; the last, incomplete batch is dropped.

    The images are kept, and altered, on the device of `backend`.
    """

    def __init__(
        self,
        images: Images,
        batch: int,
        key: Key,
        augmentation: Augmentation,
        fill: list[float],
        backend: Backend | None = None,
    ) -> None:
        if batch > len(images):
            raise UsageError(
                f"batch {batch} is larger than the {len(images)} images it is taken from.",
                f"Choose --set batch={len(images)} or less, or more images.",
            )
        self.images, self.batch, self.key = images, batch, key
        self._backend = backend or cpu()
        pixels = self._backend.asarray(images.images)
        self._there = replace(images, images=pixels)  # augmented where the network will read them
        self.augmentation, self.fill = augmentation, self._backend.asarray(np.array(fill), np.float32)
        self.steps = len(images) // batch
        self._epoch, self._order = -1, np.zeros(0, np.int64)

    def __call__(self, epoch: int, index: int) -> Batch:
        """Batch `index` of an epoch; past the end it begins again."""
        if epoch != self._epoch:
            self._epoch, self._order = epoch, epoch_order(len(self.images), epoch, self.key)
        start = index % self.steps * self.batch
        chosen = self._order[start : start + self.batch]
        # one copy to the device a batch
        rows, labels = self._backend.asarray(np.stack([chosen, self.images.labels[chosen]]))
        a = self.augmentation
        images = augmented(
            self._there,
            rows,
            epoch=epoch,
            key=self.key,
            crop=a.crop,
            flip=a.flip,
            cutout=a.cutout,
            fill=self.fill,
        )
        return Batch(images, labels)


def augmentation(images: Images, data: Data) -> Augmentation:
    """The data set's usual augmentation where the configuration does not say otherwise."""
    usual = Augmentation.for_dataset(images)
    if data.cutout >= 2 * min(images.shape[1:]):
        raise UsageError(
            f"data.cutout {data.cutout} hides all of an image of {images.shape[1]} x {images.shape[2]}.",
            f"Choose less than {2 * min(images.shape[1:])}.",
        )
    return Augmentation(
        crop=usual.crop if data.crop is None else data.crop,
        flip=usual.flip if data.flip is None else data.flip,
        cutout=data.cutout,
    )


def chosen_images(splits: Splits, data: Data, key: Key) -> Images:
    """The training images, or the seeded subset that the configuration asks for.

    Raises DataError where there is nothing to tell apart: fewer than 2 classes, images under 4 pixels; UsageError for
    more images than there are, of a class or in all.
    """
    classes, size = len(splits.train.classes), min(splits.train.shape[1:])
    if classes < 2 or size < 4:
        raise DataError(
            f"{splits.train.name}: {classes} classes, images of {splits.train.shape[1]} x {splits.train.shape[2]}; "
            "expected at least 2 classes and 4 x 4 pixels."
        )
    if data.shots is not None:
        _check_shots(splits.train, data.shots)
    count = data.subset if data.shots is None else data.shots * classes
    return splits.train if count is None else splits.train.subset(count, key)


def _check_shots(images: Images, shots: int) -> None:
    per_class = np.bincount(images.labels, minlength=len(images.classes))
    fewest = int(per_class.argmin())
    if shots > per_class[fewest]:
        raise UsageError(
            f"shots {shots}: class {images.classes[fewest]} of {images.name} has {per_class[fewest]} training images.",
            f"Choose from 1 to {per_class[fewest]}.",
        )


def normalisation(images: Images, data: Data) -> Normalise:
    """The normalisation that a model will own, from its training images; none where `data` wants none."""
    if not data.normalise:
        return Normalise([0.0] * images.shape[0], [1.0] * images.shape[0])
    mean, std = images.channel_statistics()
    return Normalise(mean.tolist(), np.maximum(std, 1e-3).tolist())
