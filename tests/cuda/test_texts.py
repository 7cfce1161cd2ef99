"""Every kernel text, run on the CPU in several thread orders, against its NumPy reference.

Two orders run by default; all five by `pytest -m orders`.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from bionas_cupy.engine.cuda.signature import signatures
from bionas_cupy.engine.cuda.source import stems, text
from emulator.build import compiler_missing
from emulator.compare import compare
from emulator.host import Host
from example_calls import LANES_AND_WIDTHS, calls_of

pytestmark = pytest.mark.skipif(bool(compiler_missing()), reason=compiler_missing())


@pytest.mark.parametrize("order", [0, 2])
@pytest.mark.parametrize("stem", stems())
def test_a_text_computes_its_reference(stem: str, order: int) -> None:
    check(stem, order)


@pytest.mark.orders
@pytest.mark.parametrize("order", range(5))
@pytest.mark.parametrize("stem", stems())
def test_in_any_order(stem: str, order: int) -> None:
    check(stem, order)


WITH_LANES = ["batchnorm", "channel", "conv", "half", "mix"]


@pytest.mark.parametrize("stem", WITH_LANES)
def test_calls_have_all_lanes_and_widths(stem: str) -> None:
    seen = {shape for call in calls_of(stem) for shape in shapes(call)}
    missed = [pair for pair in LANES_AND_WIDTHS if not any(pair in pairwise(shape) for shape in seen)]
    assert not missed


def shapes(values: Any) -> Iterator[tuple[int, ...]]:
    for value in values:
        if isinstance(value, np.ndarray):
            yield value.shape
        elif isinstance(value, tuple):
            yield from shapes(value)


def check(stem: str, order: int) -> None:
    """Every call of the examples agrees, and together they launch every kernel of the text."""
    launches: Counter[str] = Counter()
    for call in calls_of(stem):
        launches += compare(stem, call, Host(order))
    missed = {f"{stem}.{name}" for name in signatures(text(stem))} - set(launches)
    assert not missed, f"no call in tests/cuda/example_calls/{stem}.py launches {', '.join(sorted(missed))}"
