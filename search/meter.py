"""Sums over an epoch, kept on the device: adding to them does not wait for it."""

import numpy as np

from ..engine.backend import Array, Backend, to_host


class Meter:
    """Sums of loss·n, correct answers and n, by name, in one float64 array that a checkpoint keeps."""

    def __init__(self, names: list[str], backend: Backend) -> None:
        self.names, self.sums = names, backend.zeros((len(names), 3), np.float64)

    def add(self, name: str, loss: Array, correct: Array, count: int) -> None:
        row = self.sums[self.names.index(name)]
        row[0] += loss * count
        row[1] += correct
        row[2] += count

    def read(self) -> dict[str, float]:
        """{name_loss, name_accuracy (%)} of what was added since `clear`."""
        host = to_host(self.sums)
        found: dict[str, float] = {}
        for name, (loss, correct, count) in zip(self.names, host, strict=True):
            if count:
                found |= {
                    f"{name}_loss": float(loss / count),
                    f"{name}_accuracy": float(100 * correct / count),
                }
        return found

    def clear(self) -> None:
        self.sums.fill(0)
