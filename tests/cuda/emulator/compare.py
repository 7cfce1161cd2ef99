"""A kernel's function on the CPU's build of its CUDA text, held against its NumPy reference."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from typing import Any
from unittest.mock import patch

import numpy as np
from bionas_cupy.engine.cuda.count import counted
from bionas_cupy.engine.cuda.runtime import running_on
from bionas_cupy.engine.kernels.arrays import homes, reference_only

from .host import Host

KERNELS = "bionas_cupy.engine.kernels"
TOLERANCE = 1e-5  # relative norm of a float32 result against the reference in float64


@contextmanager
def on_host(host: Host) -> Iterator[None]:
    """Within this block the CUDA twins take NumPy's arrays, and what they allocate is NaN, not by chance right."""
    with ExitStack() as stack:
        stack.enter_context(running_on(host))
        stack.enter_context(homes(numpy="cuda"))
        stack.enter_context(patch("numpy.empty", _nothing))
        stack.enter_context(
            patch("numpy.empty_like", lambda x, dtype=None: _nothing(x.shape, dtype or x.dtype))
        )
        yield


def _nothing(shape: Any, dtype: Any = np.float64) -> Any:
    filled = np.ndarray(shape, dtype)
    filled.reshape(-1).view(np.uint8)[...] = 0xFF
    return filled


def compare(stem: str, call: tuple[Any, ...], host: Host) -> Counter[str]:
    """Run a call both ways; the launches that it made. Raises AssertionError where the results differ."""
    name, *arguments = call
    function: Callable[..., Any] = getattr(import_module(f"{KERNELS}.{stem}"), name)
    single, double = _as(arguments, np.float32), _as(_as(arguments, np.float32), np.float64)
    with reference_only():
        expected = _results(function, double)
    with counted() as launches, on_host(host):
        found = _results(function, single)
    assert launches, f"{stem}.{name} launched no kernel"
    assert len(found) == len(expected)
    for i, (ours, truth) in enumerate(zip(found, expected, strict=True)):
        where = f"{stem}.{name}, result {i}, thread order {host.seed}"
        assert ours.shape == truth.shape, f"{where}: shape {ours.shape}, expected {truth.shape}"
        if truth.dtype.kind != "f":
            assert np.array_equal(ours, truth), f"{where}: differs"
        else:
            far = distance(ours, truth)
            assert far < TOLERANCE, f"{where}: {far:.1e} from the reference"
    return launches


def distance(a: Any, b: Any) -> float:
    """The relative norm of the difference; where both are not finite alike, as if they were equal."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    same = ~np.isfinite(b) & ((a == b) | (np.isnan(a) & np.isnan(b)))
    with np.errstate(invalid="ignore"):  # ∞ - ∞
        difference, scale = np.where(same, 0, a - b), np.where(same, 0, b)
    return float(np.linalg.norm(difference) / max(float(np.linalg.norm(scale)), 1e-30))


def _as(arguments: Any, dtype: Any) -> list[Any]:
    """Copies, with the floating arrays in `dtype`; named tuples keep their type."""
    return [
        a.astype(dtype if a.dtype.kind == "f" else a.dtype)
        if isinstance(a, np.ndarray)
        else type(a)(*_as(a, dtype))
        if hasattr(a, "_fields")
        else a
        for a in arguments
    ]


def _results(function: Callable[..., Any], arguments: list[Any]) -> list[Any]:
    """What it returns, and the array arguments afterwards, also those in tuples: some functions write into them."""
    given = function(*arguments)
    return [a for a in _flat([given, *arguments]) if isinstance(a, np.ndarray | np.generic)]


def _flat(values: Any) -> Iterator[Any]:
    for value in values:
        if isinstance(value, tuple):
            yield from _flat(value)
        else:
            yield value
