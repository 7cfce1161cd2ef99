"""What a part of a network answers to every image: computed once, and kept while the next part learns."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engine.atomic import output_errors

Shape = tuple[int, ...]


class Features:
    """(count, ...) float32 in a memory-mapped file, which may be larger than the memory; a row an image."""

    def __init__(self, path: Path, shape: Shape) -> None:
        self.path, self.shape = path, shape
        self._array: NDArray[Any] | None = None

    def kept(self) -> bool:
        """Whether a file of this shape is there."""
        try:
            shape: Shape = np.load(self.path, mmap_mode="r").shape
        except (OSError, ValueError):
            return False
        return shape == self.shape

    def write(self, first: int, rows: NDArray[Any]) -> None:
        """Rows from `first` on. Raises OutputError where the disk has no room for all of them."""
        with output_errors(self.path):
            self._open()[first : first + len(rows)] = rows

    def read(self, rows: NDArray[Any]) -> NDArray[Any]:
        """These rows, in this order."""
        found: NDArray[Any] = self._open()[rows]
        return found

    def flush(self) -> None:
        """What was written is on the disk when this returns."""
        if isinstance(self._array, np.memmap):
            self._array.flush()

    def remove(self) -> None:
        self._array = None
        with output_errors(self.path):
            self.path.unlink(missing_ok=True)

    def _open(self) -> NDArray[Any]:
        if self._array is None:
            new = not self.kept()
            self._array = np.lib.format.open_memmap(self.path, "w+" if new else "r+", np.float32, self.shape)
            if new and hasattr(os, "posix_fallocate"):  # else a full disk would be met by a bus error
                with self.path.open("r+b") as file:
                    os.posix_fallocate(file.fileno(), 0, self.path.stat().st_size)
        return self._array
