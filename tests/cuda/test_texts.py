"""Every kernel text, run on the CPU in several thread orders, against its NumPy reference.

Two orders run by default; all five by `pytest -m orders`.
"""

from collections import Counter

import pytest
from bionas_cupy.engine.cuda.signature import signatures
from bionas_cupy.engine.cuda.source import stems, text
from emulator.build import compiler_missing
from emulator.compare import compare
from emulator.host import Host
from example_calls import calls_of

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


def check(stem: str, order: int) -> None:
    """Every call of the examples agrees, and together they launch every kernel of the text."""
    launches: Counter[str] = Counter()
    for call in calls_of(stem):
        launches += compare(stem, call, Host(order))
    missed = {f"{stem}.{name}" for name in signatures(text(stem))} - set(launches)
    assert not missed, f"no call in tests/cuda/example_calls/{stem}.py launches {', '.join(sorted(missed))}"
