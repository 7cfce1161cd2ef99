"""The NumPy arrays that a batch holds, rebuilt from their pickled parts without calling anything of them."""

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

CORES = ("numpy.core", "numpy._core")
DTYPES = {"b1", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f4", "f8"}
ORDERS = {"|", "<", ">", "="}
MOST_AXES = 4


class Refused(Exception):
    """Why the stream goes no further."""


@dataclass(frozen=True)
class Global:
    """A name on the list below. Nothing is imported: it only says what `reduce` is to build."""

    kind: str


GLOBALS = {
    ("numpy", "ndarray"): Global("ndarray"),
    ("numpy", "dtype"): Global("dtype"),
    ("_codecs", "encode"): Global("encode"),
    **{(f"{core}.multiarray", "_reconstruct"): Global("reconstruct") for core in CORES},
    **{(f"{core}.numeric", "_frombuffer"): Global("frombuffer") for core in CORES},
}


@dataclass(eq=False)
class DType:
    """A dtype of the list above; BUILD sets the byte order."""

    code: str
    order: str = "|"

    def numpy(self) -> np.dtype[Any]:
        return np.dtype(self.order + self.code)


@dataclass(eq=False)
class Array:
    """An array; `_reconstruct` makes it empty and BUILD sets its values."""

    values: NDArray[Any] | None = None


def make_dtype(args: tuple[Any, ...]) -> DType:
    """dtype("u1", align, copy)."""
    code = args[0] if args else None
    if not isinstance(code, str) or code not in DTYPES:
        raise Refused("a dtype other than numbers")
    return DType(code)


def build_dtype(dtype: DType, state: Any) -> None:
    """(version, byte order, subdtype, names, fields, -1, -1, flags): only plain numbers."""
    if not isinstance(state, tuple) or len(state) not in (8, 9):
        raise Refused("a dtype's state of unknown form")
    if state[1] not in ORDERS or any(part is not None for part in (*state[2:5], *state[8:])):
        raise Refused("a dtype other than plain numbers")
    dtype.order = state[1]


def build_array(array: Array, state: Any, latin1: Any) -> None:
    """(version, shape, dtype, Fortran order, bytes). `latin1` turns Python 2's str into the bytes it was."""
    if not isinstance(state, tuple) or len(state) != 5:
        raise Refused("an array's state of unknown form")
    _, shape, dtype, fortran, raw = state
    raw = latin1(raw) if isinstance(raw, str) else raw
    array.values = from_buffer(raw, dtype, shape, "F" if fortran is True else "C")


def from_buffer(raw: Any, dtype: Any, shape: Any, order: Any) -> NDArray[Any]:
    """A view of the bytes, so that no shape can allocate anything; they must fill it exactly."""
    if not isinstance(raw, bytes) or not isinstance(dtype, DType) or order not in ("C", "F"):
        raise Refused("an array's state of unknown form")
    if not isinstance(shape, tuple) or not 1 <= len(shape) <= MOST_AXES:
        raise Refused(f"an array without 1 to {MOST_AXES} axes")
    if not all(type(length) is int and 1 <= length <= len(raw) for length in shape):
        raise Refused(f"an array larger than its {len(raw)} bytes")
    if (needed := prod(shape) * dtype.numpy().itemsize) != len(raw):
        raise Refused(f"an array of {needed} bytes with {len(raw)} bytes of values")
    return np.frombuffer(raw, dtype.numpy()).reshape(shape, order=order)
