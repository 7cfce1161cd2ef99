"""Cross-entropy: more rows and classes than warps and threads, one of each; smoothed; equal logits, NaN."""

from collections.abc import Iterator

import numpy as np

from . import Call, draw


def calls() -> Iterator[Call]:
    for N, K in ((5, 3), (37, 10), (3, 70), (1, 1)):
        logits, labels = 9 * draw(1, N, K), np.arange(N) * 7 % K
        equal = np.round(logits / 9)
        for smoothing in (0.0, 0.1):
            yield "cross_entropy", logits, labels, smoothing
        yield "correct", logits, labels
        yield "correct", equal, equal.argmax(1)
    logits[0, 0] = np.nan
    yield "cross_entropy", logits, labels, 0.1
