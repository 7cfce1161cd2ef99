"""NumPy or CuPy behind one small face. This is the only file that imports cupy."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .errors import DeviceError, UsageError
from .kernels.arrays import array_module as array_module

Array = NDArray[Any]  # a numpy.ndarray, or a cupy.ndarray where the device is "cuda"
DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True)
class Backend:
    """Where arrays live. `xp` is the array module (numpy or cupy), `device` its name for people."""

    device: str
    xp: Any
    description: str

    def asarray(self, x: Array, dtype: DTypeLike | None = None) -> Array:
        """x on this device."""
        array: Array = self.xp.asarray(x, dtype=dtype)
        return array

    def zeros(self, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
        array: Array = self.xp.zeros(shape, dtype=dtype)
        return array


def to_host(x: Array) -> Array:
    """x as a NumPy array (the same one where it is one already)."""
    return x if isinstance(x, np.ndarray) else x.get()


def fetch(arrays: Sequence[Array]) -> list[Array]:
    """Arrays of one device as NumPy arrays, in one transfer. Those of NumPy are handed on as they are."""
    if not arrays or isinstance(arrays[0], np.ndarray | np.generic):
        return list(arrays)
    return unpack(to_host(pack(arrays)), arrays)


def pack(arrays: Sequence[Array]) -> Array:
    """The bytes of all arrays, one after the other."""
    xp = array_module(arrays[0])
    packed: Array = xp.concatenate([xp.ascontiguousarray(a).reshape(-1).view(np.uint8) for a in arrays])
    return packed


def unpack(packed: Array, like: Sequence[Array]) -> list[Array]:
    """The inverse of `pack`, on the host."""
    ends = np.cumsum([a.nbytes for a in like])
    parts = np.split(packed, ends[:-1])
    return [np.frombuffer(p.tobytes(), a.dtype).reshape(a.shape) for p, a in zip(parts, like, strict=True)]


def stack(arrays: Sequence[Array]) -> Array:
    """As xp.stack. CuPy's own copies a table of more than eight arrays from the host, which no graph can record."""
    xp = array_module(arrays[0])
    stacked: Array = xp.empty((len(arrays), *arrays[0].shape), arrays[0].dtype)
    for place, array in zip(stacked, arrays, strict=True):
        place[...] = array
    return stacked


def cpu() -> Backend:
    return Backend("cpu", np, "NumPy " + np.__version__)


def select(device: str = "auto") -> Backend:
    """The back end of "cpu", "cuda", or "auto" (CUDA where a device answers). Raises DeviceError, UsageError."""
    if device not in DEVICES:
        raise UsageError(f'device "{device}" is unknown.', "Use one of: " + ", ".join(DEVICES) + ".")
    if device == "cpu" or (device == "auto" and find_spec("cupy") is None):
        return cpu()
    try:
        return _cuda()
    except DeviceError:
        if device == "cuda":
            raise
        return cpu()


def cupy_module() -> Any:
    """cupy itself, for what no array method does: compiling and launching kernels. Raises DeviceError."""
    try:
        import cupy  # type: ignore[import-not-found, unused-ignore]  # an extra, absent on most machines
    except ImportError as error:
        raise DeviceError(
            f"device cuda: CuPy cannot be imported ({error}).",
            "Install 'bionas-cupy[cuda12]' or 'bionas-cupy[cuda13]', or use --device cpu.",
        ) from None
    return cupy


def _cuda() -> Backend:
    cupy = cupy_module()
    try:
        name = cupy.cuda.runtime.getDeviceProperties(0)["name"].decode()
    except Exception as error:  # CuPy raises its own, driver-dependent classes here
        raise DeviceError(
            f"device cuda: no CUDA device answers ({str(error).splitlines()[0]}).",
            "Check the driver with nvidia-smi, or use --device cpu.",
        ) from None
    return Backend("cuda", cupy, f"CuPy {cupy.__version__} on {name}")
