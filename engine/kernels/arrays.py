"""Which array module an array belongs to, and which twin of a kernel may take it.

Every kernel is written once as a reference on `array_module(x)`, so that the same lines run on NumPy and on
CuPy. float32 arrays are handed to a twin: NumPy's to compiled code where Numba is installed (the extra `cpu`),
CuPy's to our own CUDA kernels."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
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

_TWINNED = frozenset(map(np.dtype, ("f4", "u1", "i4", "i8")))
_homes: ContextVar[dict[str, str]] = ContextVar("homes", default={"numpy": "cpu", "cupy": "cuda"})  # noqa: B039


def array_module(x: Array) -> Any:
    """numpy or cupy; cupy is never imported here: whoever made the array has done it."""
    return sys.modules["cupy"] if type(x).__module__.partition(".")[0] == "cupy" else np


def own(x: Array) -> Array:
    """x contiguous and writable; for any other kind of array a twin would be compiled once more."""
    flags = x.flags
    return x if flags.c_contiguous and flags.writeable else np.array(x, order="C")


@contextmanager
def homes(**twins_of: str) -> Iterator[None]:
    """Within this block the arrays of a module go to the twins named here: homes(numpy="cuda") for the tests that
    run CUDA kernels on the CPU; arrays of a module that is not named go to the reference."""
    token = _homes.set(twins_of)
    try:
        yield
    finally:
        _homes.reset(token)


def reference_only() -> AbstractContextManager[None]:
    """Within this block every kernel runs its reference: what the tests compare with."""
    return homes()


@cache
def has_numba() -> bool:
    """Whether Numba is installed; it is not imported for the answer."""
    return find_spec("numba") is not None


def _home(arrays: Iterable[Any]) -> str:
    """Whose twin may take these arguments: "cpu" or "cuda" where every array is there and of a type that twins
    know, "" where the reference has to."""
    home, places = "", _homes.get()
    for x in arrays:
        if type(x) is np.ndarray:
            module = "numpy"
        elif type(x).__module__.partition(".")[0] == "cupy":
            module = "cupy"
        else:
            continue
        here = places.get(module, "")
        if not here or here != (home or here) or x.dtype not in _TWINNED:
            return ""
        home = here
    return home


def twins(reference: Callable[P, T]) -> Callable[P, T]:
    """Decorates the reference of NAME.py: float32 arrays of NumPy go to the function of its name in NAME_cpu.py,
    those of CuPy to the one in NAME_cuda.py. Where there is no such file, and for float64, the reference runs."""

    @cache
    def twin(home: str) -> Callable[P, T]:
        name = f"{reference.__module__}_{home}"
        if not home or (home == "cpu" and not has_numba()) or find_spec(name) is None:
            return reference
        found: Callable[P, T] = getattr(import_module(name), reference.__name__)
        return found

    @wraps(reference)
    def dispatch(*args: P.args, **kwargs: P.kwargs) -> T:
        return twin(_home((*args, *kwargs.values())))(*args, **kwargs)

    return dispatch
