"""The same, sample by sample as papers write it; each patch that a filter sees is a sample."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ...engine.backend import Array
from ..subject import Subject
from .hebbian import layered


def build(**form: int) -> Subject:
    _, layer, x = layered(**form)
    W = layer.W.value.reshape(len(layer.W.value), -1)

    def step() -> dict[str, float]:
        update = np.zeros_like(W)
        samples = patches(x, form.get("kernel", 0))
        for sample in samples:
            y = W @ sample
            update += np.outer(y / np.linalg.norm(y), sample / np.linalg.norm(sample))
        update /= len(samples)
        return {"update_norm": float(np.linalg.norm(update))}

    return Subject(step)


def patches(x: Array, kernel: int) -> Array:
    """(samples, numbers that a unit sees)."""
    if not kernel:
        return x
    windows = sliding_window_view(x, (kernel, kernel), axis=(2, 3))  # (N, C, P, P, k, k)
    return np.ascontiguousarray(windows.transpose(0, 2, 3, 1, 4, 5)).reshape(-1, x.shape[1] * kernel**2)
