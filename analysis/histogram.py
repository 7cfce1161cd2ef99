"""Histograms with fixed bins: half octaves of the magnitude, on both sides of zero.

The same bins for every signal, layer, step and run, so that counts add up and compare. With |v| = m·2^k,
1 ≤ m < 2, a value falls into [2^k, 1.5·2^k) or [1.5·2^k, 2^(k+1)): the exponent and the first bit of the fraction
of a float32. EDGES has the 2·OCTAVES borders of each side; the middle bin is |v| < 2^LEAST, zero included, the
outermost bins are open.
"""

import numpy as np

from ..engine.backend import Array, array_module
from ..engine.kernels.octaves import COUNT, half_octaves

LEAST, MOST = -32, 8  # exponents
SIDE = 2 * (MOST - LEAST)  # bins of one sign
BINS = 2 * SIDE + 1
_MAGNITUDES = 2.0 ** np.arange(LEAST, MOST)[:, None] * np.array([1.0, 1.5])
EDGES = np.concatenate([-_MAGNITUDES.ravel()[::-1], _MAGNITUDES.ravel()])  # (BINS - 1,): between the bins
_FIRST = 2 * (127 + LEAST)  # the half octave that begins at 2^LEAST, counted from the smallest float32


def _places() -> Array:
    """The bin of each (sign, half octave), (COUNT,)."""
    side = np.clip(np.arange(COUNT // 2) - _FIRST + 1, 0, SIDE)
    return np.concatenate([SIDE + side, SIDE - side])


def histogram(values: Array) -> Array:
    """Counts (BINS,) of all values, from the most negative to the most positive."""
    fine = half_octaves(values)
    xp = array_module(fine)
    counts: Array = xp.bincount(xp.asarray(_places()), weights=fine, minlength=BINS)
    return counts.astype(np.int64)


def centres() -> Array:
    """A magnitude for each bin, (BINS,): the geometric middle, 0 for the middle bin."""
    ends = np.append(_MAGNITUDES.ravel(), 2.0**MOST)
    middle = np.sqrt(ends[:-1] * ends[1:])
    return np.concatenate([-middle[::-1], [0.0], middle])


def octaves() -> Array:
    """The width of each bin in octaves, (BINS,); 1 for the middle bin."""
    widths = np.tile(np.log2([1.5, 2.0 / 1.5]), MOST - LEAST)
    return np.concatenate([widths[::-1], [1.0], widths])
