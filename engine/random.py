"""Counter-based random numbers: every draw is a pure function of (seed, purpose, step, index).

No generator has a state that a checkpoint would have to keep: the same key gives the same numbers in any
order, on any thread, after any resume. The numbers are those of Philox4x64-10 (Salmon et al. 2011) as NumPy
computes them; purpose is hashed into the second half of the 128-bit key, and the 256-bit counter is
(block, step, index, 0), so that no two keys share a block.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike, NDArray

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Key:
    """What a draw is for. `seed` and `index`, `step` in [0, 2⁶⁴)."""

    seed: int
    purpose: str = ""
    step: int = 0
    index: int = 0

    def to(self, purpose: str, step: int = 0, index: int = 0) -> "Key":
        """The key of a purpose below this one: Key(7, "a").to("b") is Key(7, "a/b")."""
        return Key(self.seed, f"{self.purpose}/{purpose}".lstrip("/"), step, index)


def purpose_word(key: Key) -> int:
    """The second half of Philox' key: the hashed purpose."""
    return int.from_bytes(hashlib.blake2b(key.purpose.encode(), digest_size=8).digest(), "little")


def bits(key: Key, count: int) -> NDArray[np.uint64]:
    """(count,) random 64-bit words."""
    words = np.array([key.seed, purpose_word(key)], np.uint64)
    counter = np.array([0, key.step, key.index, 0], np.uint64)
    raw: NDArray[np.uint64] = np.random.Philox(key=words, counter=counter).random_raw(count)
    return raw


def uniform(
    key: Key, shape: Shape, low: float = 0.0, high: float = 1.0, dtype: DTypeLike = np.float32
) -> NDArray[np.floating]:
    """Uniform on [low, high): 24 random bits a number, so that float32 and float64 hold the same draws."""
    unit = (bits(key, int(np.prod(shape))) >> np.uint64(40)).astype(np.float64) * 2.0**-24
    return (low + (high - low) * unit).astype(dtype).reshape(shape)


def normal(key: Key, shape: Shape, scale: float = 1.0, dtype: DTypeLike = np.float32) -> NDArray[np.floating]:
    """Gaussian, mean 0 and standard deviation `scale`, by Box and Muller (1958) on two uniforms a number."""
    count = int(np.prod(shape))
    words = bits(key, count)
    u = ((words >> np.uint64(40)).astype(np.float64) + 1.0) * 2.0**-24  # (0, 1]: its logarithm is finite
    v = (words & np.uint64(0xFFFFFF)).astype(np.float64) * 2.0**-24
    draws = scale * np.sqrt(-2.0 * np.log(u)) * np.cos(2.0 * np.pi * v)
    return draws.astype(dtype).reshape(shape)


def permutation(key: Key, count: int) -> NDArray[np.int64]:
    """A random order of range(count): the ranks of `count` random words (ties, of chance 2⁻⁶⁴, by position)."""
    return np.argsort(bits(key, count), kind="stable")
