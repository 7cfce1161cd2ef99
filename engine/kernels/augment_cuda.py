"""The CUDA twin of augment.py: one launch a batch."""

from ..cuda.arrays import contiguous, empty
from ..cuda.launch import THREADS, kernels
from ..random import Key, purpose_word
from .arrays import Array


def altered(pixels: Array, rows: Array, key: Key, crop: int, flip: bool, cutout: int, fill: Array) -> Array:
    """As augment.altered."""
    C, H, W = pixels.shape[1:]
    if fill.shape != (C,) or rows.ndim != 1:
        raise ValueError(f"altered: fill is {fill.shape} and rows {rows.shape}, expected ({C},) and (n,).")
    x, rows, words = empty(fill, (len(rows), C, H, W)), rows.astype("i8", copy=False), purpose_word(key)
    kernels("augment").altered(
        len(rows), THREADS, x, contiguous(pixels), contiguous(rows), contiguous(fill),
        key.seed, words, key.step, key.index, C, H, W, crop, flip, cutout,
    )  # fmt: skip
    return x
