"""A runtime for the launcher (engine/cuda/launch.py) that runs kernels on NumPy arrays, by g++'s build of them."""

import ctypes
from functools import cache
from typing import Any

import numpy as np
from bionas_cupy.engine.cuda.source import text

from .build import build


class KernelError(RuntimeError):
    """What the emulator found wrong while a kernel ran: barriers that do not meet, too much shared memory."""


class Host:
    """Kernels on NumPy arrays, in the thread order of `seed` (0 as numbered, 1 reversed, else random)."""

    arrays: type = np.ndarray

    def __init__(self, seed: int = 0, sanitiser: str = "", texts: dict[str, str] | None = None) -> None:
        """texts: CUDA text by stem, in place of the files (the tests' planted faults)."""
        self.seed, self.sanitiser, self.texts = seed, sanitiser, texts or {}

    def device(self) -> int:
        return 0

    def place(self, array: Any) -> tuple[int, int]:
        return array.ctypes.data, 0

    def launch(self, stem: str, name: str, grid: Any, block: Any, values: Any, shared: int) -> None:
        library = _library(self.texts.get(stem) or text(stem), self.sanitiser)
        run(library, name, grid, block, [_boxed(v) for v in values], shared, self.seed)


def run(
    library: ctypes.CDLL, name: str, grid: Any, block: Any, boxed: list[Any], shared: int, seed: int
) -> None:
    """One launch. Raises KernelError."""
    three = ctypes.c_uint * 3
    addresses = (ctypes.c_void_p * len(boxed))(*(ctypes.addressof(b) for b in boxed))
    launch = getattr(library, f"emu_launch_{name}")
    if launch(three(*grid), three(*block), ctypes.c_uint(shared), addresses, ctypes.c_uint64(seed)):
        raise KernelError(f"{name}: {library.emu_error().decode()}")
    if library.emu_shared_used() > 48 * 1024:
        raise KernelError(f"{name}: {library.emu_shared_used()} bytes of shared memory, at most 49152.")


@cache
def _library(code: str, sanitiser: str) -> ctypes.CDLL:
    return build(code, sanitiser=sanitiser)[0]


def _boxed(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return ctypes.c_void_p(value.ctypes.data)
    return np.ctypeslib.as_ctypes_type(value.dtype)(value.item())
