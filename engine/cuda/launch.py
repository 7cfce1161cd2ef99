"""A launcher that checks what CUDA and CuPy do not.

CuPy's RawKernel takes what it is given: a Python float for a `float` arrives as 0, a missing argument is read
from beyond the list, a view loses its strides, a NumPy array's address is read by the device. Here every launch
is held against the signature that the kernel text declares.

    from ..cuda.launch import blocks, kernels
    kernels("channel").affine(blocks(x.size), THREADS, y, x, a, b, low, x.size, RC, P)

Kernels run on CuPy's current stream, so that a capture of the stream records them.
"""

from functools import cache
from typing import Any, NoReturn

import numpy as np

from .count import note
from .runtime import Runtime, runtime
from .signature import Parameter, Signature, signatures
from .source import text

THREADS = 256  # of a block, where nothing speaks for another number
MOST_SHARED = 48 * 1024  # bytes a block may have without asking for more
MOST_BLOCKS = (2**31 - 1, 65535, 65535)
MOST_IN_BLOCK = (1024, 1024, 64)

Size3 = int | tuple[int, ...]


class LaunchError(ValueError):
    """A launch that CUDA would refuse, or worse, carry out."""


def blocks(count: int, threads: int = THREADS) -> int:
    """How many blocks of `threads` cover `count` items."""
    return -(-count // threads)


def whole_warps(count: int) -> int:
    """Threads of a block that shares `count` items: whole warps, and no more of them than there is work for."""
    return min(THREADS, 32 * blocks(count, 32))


class Kernel:
    """One __global__ function. Call it with (grid, block, arguments..., shared=bytes of dynamic shared memory)."""

    def __init__(self, stem: str, signature: Signature) -> None:
        self.stem, self.signature, self.name = stem, signature, f"{stem}.{signature.name}"

    def __call__(self, grid: Size3, block: Size3, *arguments: Any, shared: int = 0) -> None:
        """Launch. grid: blocks, block: threads, up to three numbers each. Raises LaunchError."""
        grid, block = three(grid), three(block)
        self._check_sizes(grid, block, shared)
        wanted = self.signature.parameters
        if len(arguments) != len(wanted):
            listed = ", ".join(p.name for p in wanted)
            self._refuse(f"{len(arguments)} arguments", f"{len(wanted)} ({listed})")
        where = runtime()
        values = [self._value(p, a, where) for p, a in zip(wanted, arguments, strict=True)]
        where.launch(self.stem, self.signature.name, grid, block, values, shared)
        note(self.name, sum(v.nbytes for p, v in zip(wanted, values, strict=True) if p.pointer))

    def _check_sizes(self, grid: tuple[int, ...], block: tuple[int, ...], shared: int) -> None:
        if min(grid) < 1:
            self._refuse(f"grid {grid}", "at least one block; the caller answers for empty arrays itself")
        if any(g > most for g, most in zip(grid, MOST_BLOCKS, strict=True)):
            self._refuse(f"grid {grid}", f"at most {MOST_BLOCKS}")
        if min(block) < 1 or any(b > most for b, most in zip(block, MOST_IN_BLOCK, strict=True)):
            self._refuse(f"block {block}", f"from 1 to {MOST_IN_BLOCK}")
        if block[0] * block[1] * block[2] > self.signature.threads:
            self._refuse(f"block {block}", f"at most {self.signature.threads} threads")
        if not 0 <= shared <= MOST_SHARED:
            self._refuse(f"{shared} bytes of shared memory", f"from 0 to {MOST_SHARED}")

    def _value(self, p: Parameter, given: Any, where: Runtime) -> Any:
        if not p.pointer:
            return self._number(p, given)
        if not isinstance(given, where.arrays):
            kind = f"{where.arrays.__module__}.{where.arrays.__name__}"
            self._refuse(f"{type(given).__module__}.{type(given).__name__}", f"{kind} for {p}")
        if given.dtype != p.dtype:
            self._refuse(f"an array of {given.dtype}", f"{p}")
        if not given.flags.c_contiguous:
            self._refuse(f"strides {given.strides} at shape {given.shape}", f"C-contiguous {p}")
        address, device = where.place(given)
        if address == 0 or given.size == 0:
            self._refuse(f"an empty array of shape {given.shape}", f"{p}")
        if device != where.device():
            self._refuse(f"an array on device {device}", f"{p} on the current device {where.device()}")
        return given

    def _number(self, p: Parameter, given: Any) -> np.generic:
        """`given` as exactly the type that the kernel reads."""
        integral = p.dtype.kind in "iu"
        kinds: Any = (int, np.integer) if integral else (int, float, np.integer, np.floating)
        if p.dtype.kind == "b":
            kinds = (bool, np.bool_)
        elif isinstance(given, bool | np.bool_):
            self._refuse(f"{given!r}", f"{p}")
        if not isinstance(given, kinds):
            self._refuse(f"{type(given).__module__}.{type(given).__name__}", f"{p}")
        if integral:
            limits = np.iinfo(p.dtype)
            if not limits.min <= given <= limits.max:
                self._refuse(f"{given}", f"{p}, from {limits.min} to {limits.max}")
        number: np.generic = p.dtype.type(given)
        return number

    def _refuse(self, actual: str, expected: str) -> NoReturn:
        raise LaunchError(f"kernel {self.name}: got {actual}, expected {expected}.")


class Kernels:
    """The kernels of one text, as attributes."""

    def __init__(self, stem: str) -> None:
        self.stem, self.signatures = stem, signatures(text(stem))
        for name, signature in self.signatures.items():
            setattr(self, name, Kernel(stem, signature))

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"{self.stem}.cu has no kernel {name}; it has {', '.join(self.signatures)}.")


@cache
def kernels(stem: str) -> Any:
    """The kernels of engine/kernels/STEM.cu, ready to launch; nothing is compiled yet."""
    return Kernels(stem)


def three(size: Size3) -> tuple[int, int, int]:
    """(x, y, z) of one to three numbers."""
    given = (size,) if isinstance(size, int) else tuple(size)
    x, y, z = (*given, *(1,) * (3 - len(given)))
    return x, y, z
