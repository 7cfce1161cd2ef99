"""The CPU twin of philox.py: uniform draws, of which a step makes hundreds, without a generator for each.

Gaussians and masks are NumPy's own: a compiled logarithm would have other last bits."""

import numpy as np

from .. import random
from ..random import Key, purpose_word
from .arrays import Array
from .jit import exact
from .philox import at, halves

M0, M1 = np.uint64(0xD2E7470EE14C6C93), np.uint64(0xCA5A826395121157)
W0, W1 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBB67AE8584CAA73B)
LOW, HALF, DROPPED = np.uint64(0xFFFFFFFF), np.uint64(32), np.uint64(40)


def uniform(out: Array, key: Key, low: float = 0.0, high: float = 1.0, clock: Array | None = None) -> Array:
    """As philox.uniform."""
    key = at(key, clock)
    words = np.array([key.seed, purpose_word(key), key.step, key.index], np.uint64)
    target = out if out.flags.c_contiguous else np.empty(out.shape, out.dtype)
    _uniform(target.reshape(-1), words, float(low), float(high))
    if target is not out:
        out[...] = target
    return out


def normal(out: Array, key: Key, scale: float = 1.0, clock: Array | None = None) -> Array:
    """As philox.normal."""
    out[...] = random.normal(at(key, clock), out.shape, scale, out.dtype)
    return out


def mask(out: Array, key: Key, p: float, clock: Array | None = None) -> Array:
    """As philox.mask."""
    words = random.bits(at(key, clock), -(-out.size // 4))
    out[...] = (halves(words, out.size) >= round(p * 2**16)).reshape(out.shape) * out.dtype.type(1 / (1 - p))
    return out


@exact
def _uniform(out: Array, words: Array, low: float, high: float) -> None:
    drawn = np.empty(4, np.uint64)
    for first in range(0, out.size, 4):
        _block(np.uint64(first // 4 + 1), words, drawn)
        for m in range(min(4, out.size - first)):
            out[first + m] = low + (high - low) * (np.float64(drawn[m] >> DROPPED) * 2.0**-24)


@exact
def _block(counter: np.uint64, words: Array, drawn: Array) -> None:
    """Ten rounds of Philox4x64 (Salmon et al. 2011, section 3.3)."""
    k0, k1, c1, c2 = words
    c0, c3 = counter, np.uint64(0)
    for _ in range(10):
        h0, h1 = _high(M0, c0), _high(M1, c2)
        c0, c1, c2, c3 = h1 ^ c1 ^ k0, M1 * c2, h0 ^ c3 ^ k1, M0 * c0
        k0, k1 = k0 + W0, k1 + W1
    drawn[0], drawn[1], drawn[2], drawn[3] = c0, c1, c2, c3


@exact
def _high(a: np.uint64, b: np.uint64) -> np.uint64:
    """The upper 64 bits of a · b."""
    a0, a1, b0, b1 = a & LOW, a >> HALF, b & LOW, b >> HALF
    middle = a1 * b0 + (a0 * b0 >> HALF)
    rest = a0 * b1 + (middle & LOW)
    high: np.uint64 = a1 * b1 + (middle >> HALF) + (rest >> HALF)
    return high
