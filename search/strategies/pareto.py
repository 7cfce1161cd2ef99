"""Choosing by several scores at once, all minimised."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray


def non_dominated(scores: ArrayLike) -> NDArray[np.bool_]:
    """(n,) of scores (n, m): true where no other row is as good in every score and better in one; by `moocore`."""
    import moocore  # type: ignore[import-untyped, unused-ignore]  # half a second

    front: NDArray[np.bool_] = moocore.is_nondominated(np.asarray(scores, np.float64), keep_weakly=True)
    return front


def rank_sum(scores: ArrayLike) -> NDArray[np.float64]:
    """(n,): the sum over the scores of each row's rank, equal values sharing their mean rank."""
    from scipy.stats import rankdata

    total: NDArray[np.float64] = rankdata(np.asarray(scores, np.float64), axis=0).sum(axis=1)
    return total


def survivors(scores: ArrayLike, count: int) -> list[int]:
    """The rows that survive, best first: the best of each score; the front by rank sum; the others by rank sum.

    (Reolon 2021.) Equal ones in the order of their rows.
    """
    s = np.asarray(scores, np.float64)
    champions = list(dict.fromkeys(int(i) for i in s.argmin(axis=0)))
    order = np.lexsort((rank_sum(s), ~non_dominated(s)))  # stable: the first key is the last one given
    ranked: Sequence[int] = [int(i) for i in order]
    kept = set(list(dict.fromkeys([*champions, *ranked]))[:count])
    return [i for i in ranked if i in kept]
