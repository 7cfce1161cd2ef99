"""What every compiled CPU twin is compiled with; beside tiles_cpu.py the one place that names Numba.

Only modules called *_cpu.py import this file, and they are imported at their first use."""

from collections.abc import Callable
from functools import partial
from hashlib import blake2b
from importlib import import_module
from pathlib import Path
from typing import TypeVar

from .memory import keep_freed_memory

F = TypeVar("F", bound=Callable[..., object])

# sums may be reordered, so that they fill vectors; NaN and infinity keep their meaning
OPTIONS = {"nogil": True, "error_model": "numpy", "fastmath": {"contract", "reassoc", "nsz"}}
_sources = b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*_cpu.py")))
_DIGEST = blake2b(_sources, digest_size=6).hexdigest()

keep_freed_memory()


def jit(function: F, **options: bool) -> F:
    """Compile at the first call, for any sizes; the code is cached on disk where a folder allows it."""
    njit = partial(import_module("numba").njit, **options)
    # Numba's cache sees changes of the function's own file only, not of those whose functions it has inlined
    function.__qualname__ += f"_{_DIGEST}"
    try:
        compiled: F = njit(cache=True, **OPTIONS)(function)
    except RuntimeError:  # neither the package's folder nor the user's cache can be written
        compiled = njit(**OPTIONS)(function)
    return compiled


def inlined(function: F) -> F:
    """Compile as a part of those that call it, and never on its own.

    A function that sums under reordering has to be such a part where others call it: a process that has compiled it
    alone as well would link that copy, whose sums run in another order than those of the code that the disk keeps,
    and the first run of a fresh machine would differ in its last bits from all later ones."""
    return jit(function, forceinline=True)
