"""The CUDA twin of loss.py: one launch each, of one block."""

from ..cuda.arrays import contiguous, empty
from ..cuda.launch import kernels
from .arrays import Array, array_module

THREADS = 1024  # one block does all: 32 rows at once


def cross_entropy(logits: Array, labels: Array, smoothing: float = 0.0) -> tuple[Array, Array]:
    """As loss.cross_entropy."""
    N, K = _sizes(logits, labels)
    loss, error, labels = empty(logits, ()), empty(logits, logits.shape), _wide(labels)
    kernels("loss").cross_entropy(1, THREADS, loss, error, contiguous(logits), labels, smoothing, N, K)
    return loss, error


def correct(logits: Array, labels: Array) -> Array:
    """As loss.correct."""
    N, K = _sizes(logits, labels)
    hits: Array = array_module(logits).empty((), "i8")
    kernels("loss").correct(1, THREADS, hits, contiguous(logits), _wide(labels), N, K)
    return hits


def _wide(labels: Array) -> Array:
    return contiguous(labels.astype("i8", copy=False))


def _sizes(logits: Array, labels: Array) -> tuple[int, int]:
    """N, K; raises ValueError where the labels do not fit."""
    if labels.shape != logits.shape[:1]:
        raise ValueError(f"logits are {logits.shape}, labels {labels.shape}: one label a row is expected.")
    N, K = logits.shape
    return N, K
