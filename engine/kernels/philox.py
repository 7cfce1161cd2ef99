"""Random numbers written into an array where it lies: the draws of engine/random.py, on a device too.

    word    w[4·b + m] = word m of Philox4x64-10 with counter (b + 1, step, index, 0) and key (seed, purpose)
    uniform x = low + (high - low)·u      u = ⌊w/2⁴⁰⌋/2²⁴
    normal  x = scale·√(-2 ln(u + 2⁻²⁴))·cos 2πv      v = (w mod 2²⁴)/2²⁴
    mask    x = 0 where h < ⌊2¹⁶p + ½⌋, else 1/(1 - p)      h[4·i + m] = bits 16m ... 16m + 15 of w[i]

Uniforms are the same bits on NumPy and on CUDA, Gaussians within 1e-6. `clock`, a 0-d int64 array on out's
device, is added to the key's step: a recorded step that is replayed draws anew where its clock goes on.

    uniform(R, key.to("R", update), -bound, bound)
"""

from dataclasses import replace

from .. import random
from ..random import Key
from .arrays import Array, array_module, twins


@twins
def uniform(out: Array, key: Key, low: float = 0.0, high: float = 1.0, clock: Array | None = None) -> Array:
    """Fill `out` with random.uniform(key, ...); returns it."""
    out[...] = array_module(out).asarray(random.uniform(at(key, clock), out.shape, low, high, out.dtype))
    return out


@twins
def normal(out: Array, key: Key, scale: float = 1.0, clock: Array | None = None) -> Array:
    """Fill `out` with random.normal(key, ...); returns it."""
    out[...] = array_module(out).asarray(random.normal(at(key, clock), out.shape, scale, out.dtype))
    return out


@twins
def mask(out: Array, key: Key, p: float, clock: Array | None = None) -> Array:
    """Fill `out` with 0, of probability p < 1, and 1/(1 - p), by 16 random bits each; returns it."""
    words = random.bits(at(key, clock), -(-out.size // 4))
    kept = (halves(words, out.size) >= round(p * 2**16)).reshape(out.shape)
    out[...] = array_module(out).asarray(kept) * out.dtype.type(1 / (1 - p))
    return out


def halves(words: Array, count: int) -> Array:
    """(count,) their bits by sixteens, the lowest first."""
    return words.astype("<u8").view("<u2")[:count]


def at(key: Key, clock: Array | None) -> Key:
    """The key at the clock's step."""
    return key if clock is None else replace(key, step=key.step + int(clock))
