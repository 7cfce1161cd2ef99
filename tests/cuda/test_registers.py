"""Every kernel text compiles for every architecture, and spills nothing (`pytest -m devices`)."""

from typing import Any

import pytest
import registers
from bionas_cupy.engine.cuda.signature import signatures
from bionas_cupy.engine.cuda.source import stems, text

pytestmark = [
    pytest.mark.devices,
    pytest.mark.skipif(bool(registers.missing()), reason=registers.missing()),
]


@pytest.mark.parametrize("stem", stems())
def test_no_kernel_spills(stem: str, record_property: Any) -> None:
    """What differs from the stored table is reported: look at it, then python tests/cuda/registers.py --update."""
    table, spilling = registers.measured(stem)
    assert not spilling
    names = {f"{stem}.{name}" for name in signatures(text(stem))}
    assert all(set(kernels) == names for kernels in table.values())
    for line in registers.changes(table, registers.stored()):
        record_property("figure", line)


def test_a_spill_is_seen() -> None:
    """256 values alive at once in threads that may have 24 registers each."""
    code = """
    extern "C" __global__ void __launch_bounds__(1024, 2) greedy(float* y, const float* x)
    {
        float v[256];
        #pragma unroll
        for (int i = 0; i < 256; ++i) v[i] = x[threadIdx.x + i * 1024];
        __syncthreads();
        #pragma unroll
        for (int i = 0; i < 256; ++i) y[threadIdx.x + i * 1024] = v[255 - i] * v[i];
    }"""
    assert registers.use(code, 90)["greedy"].spilled > 0
