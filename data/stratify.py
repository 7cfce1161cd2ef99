"""Seeded choices that respect the classes: how many of each class, and which ones."""

import numpy as np
from numpy.typing import NDArray

from ..engine.random import Key, permutation

Counts = NDArray[np.int64]


def equal_quotas(per_class: Counts, count: int, key: Key) -> Counts:
    """How many of each class make `count` (at most per_class.sum()), as equal as `per_class` (K,) allows.

    The key says which classes get one more.
    """
    level = 0
    while np.minimum(per_class, level + 1).sum() <= count and level < per_class.max():
        level += 1
    quotas = np.minimum(per_class, level)
    turn = permutation(key.to("quota"), len(per_class))
    able = turn[per_class[turn] > level]
    quotas[able[: count - quotas.sum()]] += 1
    return quotas


def proportional_quotas(per_class: Counts, count: int) -> Counts:
    """How many of each class make `count` in proportion to `per_class` (K,), by largest remainders."""
    whole, remainder = np.divmod(per_class * count, per_class.sum())
    first = np.argsort(-remainder, kind="stable")
    whole[first[: count - whole.sum()]] += 1
    return whole


def choose(labels: NDArray[np.int64], quotas: Counts, key: Key) -> NDArray[np.int64]:
    """Ascending indices of quotas[k] random images of each class k.

    A larger quota of a class keeps what a smaller one chose.
    """
    chosen = []
    for k, quota in enumerate(quotas):
        members = np.flatnonzero(labels == k)
        chosen.append(members[permutation(key.to("class", index=k), len(members))[:quota]])
    return np.sort(np.concatenate(chosen))
