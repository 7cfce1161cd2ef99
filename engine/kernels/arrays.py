"""Which array module an array belongs to, and whether a compiled CPU twin may take it.

Every kernel is written once as a reference on `array_module(x)`, so that the same lines run on NumPy and on
CuPy. float32 arrays of NumPy are handed to a compiled twin where Numba is installed (the extra `cpu`)."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, wraps
from importlib import import_module
from importlib.util import find_spec
from typing import Any, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Size = tuple[int, int]
Shape = tuple[int, ...]
P = ParamSpec("P")
T = TypeVar("T")

_TWINNED = frozenset([np.dtype(np.float32), np.dtype(np.uint8)])
_reference_only: ContextVar[bool] = ContextVar("reference_only", default=False)


def array_module(x: Array) -> Any:
    """numpy or cupy; cupy is never imported here: whoever made the array has done it."""
    return sys.modules["cupy"] if type(x).__module__.partition(".")[0] == "cupy" else np


def own(x: Array) -> Array:
    """x contiguous and writable; for any other kind of array a twin would be compiled once more."""
    flags = x.flags
    return x if flags.c_contiguous and flags.writeable else np.array(x, order="C")


@contextmanager
def reference_only() -> Iterator[None]:
    """Within this block every kernel runs its reference: what the tests compare with."""
    token = _reference_only.set(True)
    try:
        yield
    finally:
        _reference_only.reset(token)


@cache
def has_numba() -> bool:
    """Whether Numba is installed; it is not imported for the answer."""
    return find_spec("numba") is not None


def compiled(*arrays: Any) -> bool:
    """True where the CPU twin does the work: NumPy arrays of float32, and Numba is installed."""
    for x in arrays:
        if type(x) is np.ndarray:
            if x.dtype not in _TWINNED:
                return False
        elif hasattr(x, "dtype"):  # another module's array
            return False
    return not _reference_only.get() and has_numba()


def cpu_twin(reference: Callable[P, T]) -> Callable[P, T]:
    """Decorates the reference of NAME.py: where `compiled`, the function of its name in NAME_cpu.py runs."""

    @cache
    def twin() -> Callable[P, T]:
        found: Callable[P, T] = getattr(import_module(reference.__module__ + "_cpu"), reference.__name__)
        return found

    @wraps(reference)
    def dispatch(*args: P.args, **kwargs: P.kwargs) -> T:
        if compiled(*args, *kwargs.values()):
            return twin()(*args, **kwargs)
        return reference(*args, **kwargs)

    return dispatch
