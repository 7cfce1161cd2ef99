"""Calls of the kernels at odd sizes: example_calls/NAME.py for every engine/kernels/NAME.cu.

Each file has `calls()`, which yields (function, arguments): the name of a function of engine/kernels/NAME.py, then
its arguments, floating arrays in float64 (the test rounds them). Together the calls launch every __global__
function of the text. Sizes are odd and small (the sanitisers run them too), lanes, strides and edges varied; what has
channels sees every pair of LANES_AND_WIDTHS.
"""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import numpy as np

Call = tuple[Any, ...]
LANES_AND_WIDTHS = ((6, 4), (5, 8), (4, 16), (3, 20), (2, 36), (1, 64))  # of searches and networks


def draw(seed: int, *shape: int) -> Any:
    """Gaussian numbers."""
    return np.random.default_rng(seed).standard_normal(shape)


def calls_of(stem: str) -> Iterator[Call]:
    """The example calls of a stem. Raises ModuleNotFoundError where it has none."""
    yield from import_module(f"example_calls.{stem}").calls()
