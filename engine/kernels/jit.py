"""What every compiled CPU twin is compiled with; beside tiles_cpu.py the one place that names Numba.

Only modules called *_cpu.py import this file, and they are imported at their first use."""

from collections.abc import Callable
from functools import partial
from hashlib import blake2b
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from .memory import keep_freed_memory

F = TypeVar("F", bound=Callable[..., object])

OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
REORDERED = {"contract", "reassoc", "nsz"}  # sums fill vectors; NaN and infinity keep their meaning
IN_ORDER = {"contract"}
_sources = b"".join(
    path.read_bytes() for path in sorted([Path(__file__), *Path(__file__).parent.glob("*_cpu.py")])
)
_DIGEST = blake2b(_sources, digest_size=6).hexdigest()

keep_freed_memory()


def jit(function: F) -> F:
    """Compile at the first call, for any sizes; the code is cached on disk where a folder allows it.

    What it sums runs in another order in each copy of the code. So a function that others call is `inlined` or
    `in_order`: a process that has compiled it alone as well may link that copy, and the first run on a machine would
    differ in its last bits from all later ones, which find the code on the disk."""
    return _compiled(function, fastmath=REORDERED)


def inlined(function: F) -> F:
    """For a small function that sums: it becomes a part of each function that calls it."""
    return _compiled(function, fastmath=REORDERED, forceinline=True)


def in_order(function: F) -> F:
    """For a function whose sums are few, or across loops that fill vectors anyhow: they run as they are written."""
    return _compiled(function, fastmath=IN_ORDER)


def exact(function: F) -> F:
    """For a function that rounds as NumPy does: no product and sum become one."""
    return _compiled(function, fastmath=False)


def _compiled(function: F, **options: Any) -> F:
    njit = partial(import_module("numba").njit, **OPTIONS, **options)
    # Numba's cache sees changes of the function's own file only, not of those whose functions it has inlined
    function.__qualname__ += f"_{_DIGEST}"
    try:
        compiled: F = njit(cache=True)(function)
    except RuntimeError:  # neither the package's folder nor the user's cache can be written
        compiled = njit()(function)
    return compiled
