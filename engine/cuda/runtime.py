"""Where kernels run: CuPy's current device, or what a test puts in its place."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any, Protocol

from ..backend import cupy_module
from .source import text

OPTIONS = ("--std=c++17",)  # CuPy adds -ftz=true and the device's architecture


class Runtime(Protocol):
    """What the launcher asks of a place that runs kernels."""

    @property
    def arrays(self) -> Any:
        """The class of its arrays."""

    def device(self) -> int:
        """The number of the current device."""

    def place(self, array: Any) -> tuple[int, int]:
        """An array's address and device."""

    def launch(self, stem: str, name: str, grid: Any, block: Any, values: Any, shared: int) -> None:
        """Run a kernel of engine/kernels/STEM.cu; everything is checked."""


class OnCuPy:
    """The current device and stream of CuPy. A text is compiled at its first launch; CuPy keeps it on disk."""

    @property
    def arrays(self) -> Any:
        return cupy_module().ndarray

    def device(self) -> int:
        current: int = cupy_module().cuda.runtime.getDevice()
        return current

    def place(self, array: Any) -> tuple[int, int]:
        return array.data.ptr, array.data.device_id

    def launch(self, stem: str, name: str, grid: Any, block: Any, values: Any, shared: int) -> None:
        _function(stem, name)(grid, block, tuple(values), shared_mem=shared)


@cache
def _module(stem: str) -> Any:
    return cupy_module().RawModule(code=text(stem), options=OPTIONS)


@cache
def _function(stem: str, name: str) -> Any:
    """The compiled kernel; CuPy compiles once more where another device asks."""
    return _module(stem).get_function(name)


_current: ContextVar[Runtime] = ContextVar("runtime", default=OnCuPy())  # noqa: B039  # it has no state


def runtime() -> Runtime:
    """Where a launch goes now."""
    return _current.get()


@contextmanager
def running_on(other: Runtime) -> Iterator[None]:
    """Within this block kernels run there."""
    token = _current.set(other)
    try:
        yield
    finally:
        _current.reset(token)
