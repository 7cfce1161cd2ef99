"""Images: subsets, halves, digests, statistics; the embedded digits; the order of an epoch."""

from dataclasses import replace

import numpy as np
import pytest
from bionas_cupy.data.dataset import Images
from bionas_cupy.data.digits import all_digits
from bionas_cupy.data.load import load
from bionas_cupy.data.order import epoch_order
from bionas_cupy.data.stratify import equal_quotas, proportional_quotas
from bionas_cupy.engine.errors import UsageError
from bionas_cupy.engine.random import Key
from hypothesis import given
from hypothesis import strategies as st

KEY = Key(3)
RNG = np.random.default_rng(2)


def images(labels, channels=1):
    labels = np.array(labels, np.int64)
    pixels = RNG.integers(0, 256, (len(labels), channels, 2, 3), np.uint8)
    return Images(pixels, labels, ("a", "b", "c"), "some")


def identified(labels):
    """Images whose first pixel is their index."""
    labels = np.array(labels, np.int64)
    pixels = np.arange(len(labels), dtype=np.uint8).reshape(-1, 1, 1, 1)
    return Images(pixels, labels, ("a", "b", "c"), "some")


def test_subset_is_balanced_seeded_and_ascending():
    whole = identified([0] * 30 + [1] * 40 + [2] * 3)
    chosen = whole.subset(23, KEY)
    assert np.bincount(chosen.labels).tolist() == [10, 10, 3]
    places = chosen.images.ravel().tolist()
    assert places == sorted(set(places))
    assert whole.subset(23, KEY).digest() == chosen.digest()
    assert whole.subset(23, Key(4)).digest() != chosen.digest()
    assert set(places) < set(whole.subset(26, KEY).images.ravel().tolist())


def test_subset_of_everything_and_of_too_much():
    whole = images([0, 1, 1])
    assert whole.subset(3, KEY).digest() == whole.digest()
    for count in (0, -1, 4):
        with pytest.raises(
            UsageError, match=rf"subset: {count} of the 3 images of some\. Choose from 1 to 3"
        ):
            whole.subset(count, KEY)


@given(st.lists(st.integers(0, 20), min_size=1, max_size=6).filter(any), st.data())
def test_quotas_add_up_and_stay_within_the_classes(per_class, data):
    per_class = np.array(per_class)
    count = data.draw(st.integers(0, int(per_class.sum())))
    equal, share = equal_quotas(per_class, count, KEY), proportional_quotas(per_class, count)
    for quotas in (equal, share):
        assert quotas.sum() == count
        assert (quotas >= 0).all()
        assert (quotas <= per_class).all()
    open_classes = equal[equal < per_class]
    assert not len(open_classes) or equal.max() <= open_classes.min() + 1
    assert (abs(share - per_class * count / per_class.sum()) < 1).all()


def test_halves_are_disjoint_and_everything():
    whole = identified(RNG.integers(0, 3, 11))
    weights, architecture = whole.halves(KEY)
    assert (len(weights), len(architecture)) == (6, 5)
    first, second = weights.images.ravel().tolist(), architecture.images.ravel().tolist()
    assert (first, second) == (sorted(first), sorted(second))
    assert sorted(first + second) == list(range(11))
    with pytest.raises(UsageError, match="has 1 images, at least 2"):
        images([0]).halves(KEY)


def test_digest_sees_pixels_labels_classes_and_shape():
    whole = images([0, 1, 2])
    pixels = whole.images.copy()
    pixels[2, 0, 1, 2] ^= 1
    others = [
        replace(whole, images=pixels),
        replace(whole, labels=np.array([0, 1, 1])),
        replace(whole, classes=("a", "b", "c", "d")),
        replace(whole, images=whole.images.reshape(3, 1, 3, 2)),
        whole.take(np.array([0, 1])),
    ]
    assert len({whole.digest(), *(other.digest() for other in others)}) == 6
    strided = replace(whole, images=np.repeat(whole.images, 2, axis=3)[..., ::2], name="other")
    assert strided.digest() == whole.digest()


def test_channel_statistics_are_those_of_numpy():
    whole = images(RNG.integers(0, 3, 600), channels=3)
    mean, deviation = whole.channel_statistics()
    unit = whole.images / 255
    np.testing.assert_allclose(mean, unit.mean((0, 2, 3)), rtol=1e-14)
    np.testing.assert_allclose(deviation, unit.std((0, 2, 3)), rtol=1e-14)
    assert mean.dtype == deviation.dtype == np.float64


def test_digits_are_the_1797_of_scikit_learn():
    digits = all_digits()
    assert digits.images.shape == (1797, 1, 8, 8)
    assert np.bincount(digits.labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert digits.labels[:4].tolist() == [0, 1, 2, 3]
    # 0, 0, 5, 13, 9, 1, 0, 0 sixteenths of 255
    assert digits.images[0, 0, 0].tolist() == [0, 0, 80, 207, 143, 16, 0, 0]
    assert digits.images.max() == 255


def test_digits_are_split_by_class():
    splits = load("digits")
    assert (len(splits.train), len(splits.test)) == (1437, 360)
    share = np.bincount(splits.test.labels) / np.bincount(all_digits().labels)
    assert (abs(share - 360 / 1797) < 1 / 174).all()
    both = np.concatenate([splits.train.images, splits.test.images]).reshape(1797, -1)
    assert np.array_equal(np.sort(both, axis=0), np.sort(all_digits().images.reshape(1797, -1), axis=0))


def test_epoch_order_is_a_permutation_of_its_own():
    first = epoch_order(50, 0, KEY)
    assert sorted(first.tolist()) == list(range(50))
    assert np.array_equal(first, epoch_order(50, 0, KEY))
    assert not np.array_equal(first, epoch_order(50, 1, KEY))
